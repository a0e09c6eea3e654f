import type { Complaint } from "./complaint.ts";
import type { TooMuch } from "./provider-error.ts";

/**
 * OpenAI's "Limit 40000, Requested 75000"; of a request that only comes too early, "Limit 40000, Used 39000, Requested 2000".
 * A number in another form, such as 1.5M, is not read.
 */
const LIMIT_AND_REQUESTED = /\blimit:? ([\d,]+)(?![.\d]*\w).{0,40}?\brequested:? ([\d,]+)(?![.\d]*\w)/i;
const TOO_LARGE = /\brequest (is )?too large\b/i;

/**
 * What a request had too much of, where a 429 says that a whole minute allows fewer tokens: no wait makes it acceptable.
 * Undefined where it may be accepted later.
 * @param count its texts
 */
export function overLimitOf(status: number, { message }: Complaint, count: number): TooMuch | undefined {
  if (status !== 429 || count === 0) return undefined;
  const [, ...numbers] = LIMIT_AND_REQUESTED.exec(message) ?? [];
  const [limit, requested] = numbers.map((number) => Number(number.replaceAll(",", "")));
  if (limit === undefined || requested === undefined)
    return TOO_LARGE.test(message) ? { unit: "characters" } : undefined;
  if (limit === 0 || requested <= limit) return undefined;
  return { unit: "characters", most: Math.max(1, Math.floor((count * limit) / requested)) };
}
