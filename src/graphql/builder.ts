import SchemaBuilder from '@pothos/core';
import ErrorsPlugin from '@pothos/plugin-errors';
import type { JsonObject, JsonValue } from '../delta/json.ts';
import type { RequestScope } from './request.ts';

/**
 * The builder that every file of this folder adds its types to.
 *
 * Fields are non-null unless they say otherwise; root fields other than subscriptions are all nullable, so that one
 * failure does not erase its siblings' results. Expected errors are thrown and come back as members of `XResult`.
 */
export const builder = new SchemaBuilder<{
  Context: RequestScope;
  DefaultFieldNullability: false;
  Scalars: {
    ID: { Input: string; Output: string };
    JSON: { Input: JsonValue; Output: JsonValue };
    JSONObject: { Input: JsonObject; Output: JsonObject };
    DateTime: { Input: Date; Output: Date };
    SafeInt: { Input: number; Output: number };
  };
}>({
  plugins: [ErrorsPlugin],
  defaultFieldNullability: false,
  errors: {
    directResult: true,
    defaultTypes: [],
    defaultUnionOptions: {
      name: ({ fieldName }) => `${capitalized(fieldName)}Result`,
      description: 'What the write did, or the reason why it was refused. Keep a default branch: members may be added.',
    },
    defaultResultOptions: { name: ({ fieldName }) => `${capitalized(fieldName)}Payload` },
  },
});

builder.queryType({ description: 'Reads. Each field is null when there is nothing, or when it failed: see `errors`.' });
builder.mutationType({
  description:
    'Writes, one after the other in the order of the document. A field is null when it failed unexpectedly (see `errors`), ' +
    'so that its siblings keep their results.',
});
builder.subscriptionType({ description: 'Live events, over WebSocket (graphql-transport-ws) or server-sent events.' });

function capitalized(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}
