import { TRIED_LATER } from "./what-follows.ts";
import type { Dispatcher } from "undici";
import { MOST_DIMENSIONS } from "../database/pgvector.ts";
import { ProviderError } from "./provider-error.ts";
import { unpack } from "./unpack.ts";

/** One number of a vector as JSON, indented. */
const NUMBER_BYTES = 32;
/** What stands around the vectors. */
const FRAME_BYTES = 1024 * 1024;
/** 2,048 vectors of 3,072 floats as JSON come to about 140 MB. */
const LARGEST_BYTES = 256 * 1024 * 1024;
/** What a refusal says is short, unless it repeats the request: as JSON within JSON, which may double it. */
const REFUSAL_BYTES = 64 * 1024;

/**
 * The body of an answer, unpacked. Of a refusal no more than its beginning is read.
 * @param request its bytes
 * @param texts how many vectors an answer may have
 * @throws {ProviderError} where it is larger than an answer to the request can be
 */
export async function readAnswer(
  { statusCode, headers, body }: Dispatcher.ResponseData,
  request: number,
  texts: number,
  address: string,
): Promise<Uint8Array> {
  const encoding = String(headers["content-encoding"] ?? "").toLowerCase();
  if (statusCode < 200 || statusCode > 299) {
    const most = 2 * request + REFUSAL_BYTES;
    const { bytes, isWhole } = await readUpTo(body, most);
    // Half of a packed body cannot be unpacked; the status says enough.
    return isWhole ? await unpack(bytes, encoding, most).catch(() => new Uint8Array()) : bytes;
  }
  const most = Math.min(texts * MOST_DIMENSIONS * NUMBER_BYTES + FRAME_BYTES, LARGEST_BYTES);
  const { bytes, isWhole } = await readUpTo(body, most);
  if (isWhole) return await unpack(bytes, encoding, most);
  throw new ProviderError(
    "unavailable",
    `${address} answered with more than ${Math.floor(most / FRAME_BYTES)} MB, which is no answer to ${texts} ${texts === 1 ? "text" : "texts"}. ${TRIED_LATER}`,
  );
}

/** Leaves the rest unread: its connection is closed. */
async function readUpTo(
  body: Dispatcher.ResponseData["body"],
  most: number,
): Promise<{ readonly bytes: Uint8Array; readonly isWhole: boolean }> {
  const chunks: Buffer[] = [];
  let read = 0;
  for await (const chunk of body) {
    chunks.push(chunk as Buffer);
    read += (chunk as Buffer).length;
    if (read > most) return { bytes: Buffer.concat(chunks).subarray(0, most), isWhole: false };
  }
  return { bytes: Buffer.concat(chunks), isWhole: true };
}
