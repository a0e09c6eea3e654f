import type { IncomingMessage } from "node:http";

/** No form and no question is longer, in bytes. */
const LONGEST = 64 * 1024;

/** The body of a request; undefined if it is too long. What is left of it then is read and dropped by Node after the answer. */
export async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > LONGEST) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
