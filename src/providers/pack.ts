import type { ProviderLimits } from "./provider.ts";

/** One request's worth of texts, no two of them equal. */
export interface PackedRequest {
  readonly texts: readonly string[];
  /** For each of these texts, the positions that it has among the texts that were packed. */
  readonly positions: readonly (readonly number[])[];
}

/**
 * Packs texts into as few requests as their order allows, each within the limits; equal texts are sent once. A text
 * that is over the limit for a whole request travels alone, and the provider decides.
 */
export function packTexts(
  texts: readonly string[],
  limits: Pick<ProviderLimits, "inputs" | "characters">,
): PackedRequest[] {
  const positions = new Map<string, number[]>();
  for (const [position, text] of texts.entries()) {
    const known = positions.get(text);
    if (known === undefined) positions.set(text, [position]);
    else known.push(position);
  }
  const requests: { texts: string[]; positions: number[][] }[] = [];
  let room = 0;
  for (const [text, where] of positions) {
    let request = requests.at(-1);
    if (request === undefined || request.texts.length >= limits.inputs || text.length > room) {
      request = { texts: [], positions: [] };
      requests.push(request);
      room = limits.characters;
    }
    request.texts.push(text);
    request.positions.push(where);
    room -= text.length;
  }
  return requests;
}
