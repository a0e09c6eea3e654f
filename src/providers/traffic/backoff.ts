/**
 * Exponential backoff with full jitter: anything from nothing to `baseMs` doubled with each attempt, at most `capMs`.
 * The spread keeps many clients from coming back at once (AWS Architecture Blog, "Exponential Backoff And Jitter").
 * @param attempt 0 for the first retry
 */
export function backoffMs(attempt: number, baseMs: number, capMs: number, random = Math.random): number {
  return random() * Math.min(capMs, baseMs * 2 ** Math.min(attempt, 50));
}
