import { promisify } from "node:util";
import { brotliDecompress, gunzip, inflate, inflateRaw } from "node:zlib";

const UNPACKED = {
  gzip: promisify(gunzip),
  deflate: promisify(inflate),
  rawDeflate: promisify(inflateRaw),
  br: promisify(brotliDecompress),
};

/**
 * Unpacks a body: some gateways send it packed without being asked, and in gzip without saying so.
 * @param encoding its `Content-Encoding`
 * @throws where it is broken, or has more bytes than `most`
 */
export async function unpack(body: Uint8Array, encoding: string, most: number): Promise<Uint8Array> {
  const packing = packingOf(body, encoding);
  return packing === undefined ? body : await UNPACKED[packing](body, { maxOutputLength: most });
}

function packingOf(body: Uint8Array, encoding: string): keyof typeof UNPACKED | undefined {
  const [first = 0, second = 0] = body;
  if (first === 0x1f && second === 0x8b) return "gzip";
  if (encoding === "br") return "br";
  if (encoding !== "deflate") return undefined;
  // Some servers leave out the header that the standard wants.
  return first % 16 === 8 && (first * 256 + second) % 31 === 0 ? "deflate" : "rawDeflate";
}
