import { promisify } from "node:util";
import { gunzip } from "node:zlib";

const inflate = promisify(gunzip);
/** As the largest answer that is read unpacked. */
const LARGEST_BYTES = 256 * 1024 * 1024;

/** Unpacks a body in gzip: some gateways send it without being asked, and without saying so. @throws where it is broken */
export async function unpack(body: Uint8Array): Promise<Uint8Array> {
  const isGzip = body[0] === 0x1f && body[1] === 0x8b;
  return isGzip ? await inflate(body, { maxOutputLength: LARGEST_BYTES }) : body;
}
