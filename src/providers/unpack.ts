import { promisify } from "node:util";
import { gunzip } from "node:zlib";

const inflate = promisify(gunzip);
/**
 * Unpacks a body in gzip: some gateways send it without being asked, and without saying so.
 * @throws where it is broken, or has more bytes than `most`
 */
export async function unpack(body: Uint8Array, most: number): Promise<Uint8Array> {
  const isGzip = body[0] === 0x1f && body[1] === 0x8b;
  return isGzip ? await inflate(body, { maxOutputLength: most }) : body;
}
