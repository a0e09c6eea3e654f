import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { oracleVector } from "./oracle-vector.ts";

export interface SpelledAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes are sent as they are, all else as JSON. */
  readonly body: unknown;
}

export interface Sent {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Readonly<Record<string, unknown>>;
  /** Its `input`. */
  readonly texts: readonly string[];
  readonly isBase64: boolean;
}

/** A server on 127.0.0.1 whose answers are spelled out by a function of what it was sent. */
export async function startSpelledProvider(answer: (sent: Sent) => SpelledAnswer) {
  const requests: Sent[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const asked = JSON.parse(Buffer.concat(chunks).toString()) as Sent["body"];
      const sent: Sent = {
        path: request.url ?? "",
        headers: request.headers,
        body: asked,
        texts: (asked["input"] ?? []) as string[],
        isBase64: asked["encoding_format"] === "base64",
      };
      requests.push(sent);
      const { status = 200, headers = {}, body } = answer(sent);
      response.writeHead(status, headers).end(Buffer.isBuffer(body) ? body : JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    requests,
    url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/v1`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The items of a right answer, as floats. */
export function itemsOf(
  texts: readonly string[],
  dimensions: number,
): { index: number; embedding: number[] }[] {
  return texts.map((text, index) => ({ index, embedding: Array.from(oracleVector(text, dimensions)) }));
}
