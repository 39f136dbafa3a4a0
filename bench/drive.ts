/** How many callers act at once, and for how long. */
export interface Drive {
  readonly callers: number;
  readonly ms: number;
  /** Goes on until so much was done, however long that takes: code that is new runs slowly. Default 1. */
  readonly atLeast?: number | undefined;
}

/** Lets each caller act again and again, at least once, and answers how often they did per second, together. */
export async function drive(
  { callers, ms, atLeast = 1 }: Drive,
  act: (caller: number) => Promise<unknown>,
): Promise<number> {
  const start = performance.now();
  let done = 0;
  await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      do {
        await act(caller);
        done++;
      } while (performance.now() - start < ms || done < atLeast);
    }),
  );
  return done / ((performance.now() - start) / 1000);
}
