import { builder } from './builder.ts';
import { SortDirection } from './scalars.ts';

/** `limit`, `offset` and `order`, as every list takes them. */
export const pageArgs = builder.args((t) => ({
  limit: t.int({ required: true, defaultValue: 50, description: 'At most so many: 1 to 250.' }),
  offset: t.int({ required: true, defaultValue: 0, description: 'Skip so many: 0 to 1,000. Seek to go further.' }),
  order: t.field({
    type: SortDirection,
    required: true,
    defaultValue: 'ASC',
    description: 'Smallest or largest first.',
  }),
}));

/** The two DateTime filters as the service takes them. */
export function toInsertedRange({
  insertedBefore,
  insertedAfter,
}: {
  readonly insertedBefore?: Date | null | undefined;
  readonly insertedAfter?: Date | null | undefined;
}): { readonly insertedBeforeMs: number | undefined; readonly insertedAfterMs: number | undefined } {
  return { insertedBeforeMs: insertedBefore?.getTime(), insertedAfterMs: insertedAfter?.getTime() };
}
