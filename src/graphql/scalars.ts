import { GraphQLDateTime, GraphQLJSON, GraphQLJSONObject, GraphQLSafeInt } from 'graphql-scalars';
import { builder } from './builder.ts';

builder.addScalarType('JSON', GraphQLJSON, { description: 'Any JSON value.' });
builder.addScalarType('JSONObject', GraphQLJSONObject, { description: 'A JSON object. Every key is an ordinary key.' });
builder.addScalarType('DateTime', GraphQLDateTime, {
  description: 'A moment as RFC 3339 writes it, in UTC with milliseconds: `2026-01-31T12:00:00.000Z`.',
});
builder.addScalarType('SafeInt', GraphQLSafeInt, {
  description: 'An integer up to 2^53 - 1. Counters of changes outgrow the 32 bits of Int.',
});

export const SortDirection = builder.enumType('SortDirection', {
  description: 'The direction of a list.',
  values: {
    ASC: { description: 'Smallest first.' },
    DESC: { description: 'Largest first.' },
  } as const,
});
