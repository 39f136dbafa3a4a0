/** From 50 ms doubled to 1 s, and never the same for all processes at once. */
export function retryDelayMs(attempt: number, mostMs = 1_000): number {
  return Math.min(50 * 2 ** Math.min(attempt - 1, 10), mostMs) * (0.5 + Math.random() / 2);
}

/** Between two attempts within the time of a call: a call that may take longer is patient. */
export function longestPauseMs(timeoutMs: number): number {
  return Math.min(timeoutMs / 8, 400);
}
