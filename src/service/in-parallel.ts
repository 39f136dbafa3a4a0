/**
 * Acts on the items in their order, on at most `width` at once. Begins none after the first failure or once the signal
 * has aborted; what is under way then is waited for.
 *
 * @throws what failed first.
 */
export async function inParallel<T>(
  items: readonly T[],
  act: (item: T) => Promise<void>,
  { width, signal }: { readonly width: number; readonly signal: AbortSignal },
): Promise<void> {
  const failures: { readonly error: unknown }[] = [];
  // One iterator for all of them: each item is taken once.
  const rest = items.values();
  const work = async () => {
    for (const item of rest) {
      if (failures.length > 0 || signal.aborted) return;
      try {
        await act(item);
      } catch (error) {
        failures.push({ error });
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, work));
  const [first] = failures;
  if (first !== undefined) throw first.error;
}
