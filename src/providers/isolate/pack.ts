import type { ProviderLimits } from "../provider.ts";

type RequestLimits = Pick<ProviderLimits, "inputs" | "characters" | "prefixCharacters">;

/** The texts of one request, no two of them equal. */
export interface PackedRequest {
  readonly texts: readonly string[];
  /** Per text, its positions among the texts that were packed. */
  readonly positions: readonly (readonly number[])[];
}

/**
 * Packs texts into as few requests as their order allows, each within the limits; equal texts are sent once. A text
 * that is over the limit for a whole request travels alone, and the provider decides.
 */
export function packTexts(texts: readonly string[], limits: RequestLimits): PackedRequest[] {
  const positions = new Map<string, number[]>();
  for (const [position, text] of texts.entries()) {
    const known = positions.get(text);
    if (known === undefined) positions.set(text, [position]);
    else known.push(position);
  }
  return pack([...positions], ([text]) => text, limits).map((request) => ({
    texts: request.map(([text]) => text),
    positions: request.map(([, where]) => where),
  }));
}

/** The same for items whose texts are known to be different. */
export function pack<T>(items: readonly T[], textOf: (item: T) => string, limits: RequestLimits): T[][] {
  const requests: T[][] = [];
  let room = 0;
  for (const item of items) {
    const length = textOf(item).length + (limits.prefixCharacters ?? 0);
    let request = requests.at(-1);
    if (request === undefined || request.length >= limits.inputs || length > room) {
      request = [];
      requests.push(request);
      room = limits.characters;
    }
    request.push(item);
    room -= length;
  }
  return requests;
}
