import type { ServerResponse } from "node:http";

/** Responses are not cached, framed or shown to other sites. The page adds its own Content-Security-Policy. */
const HEADERS = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

export function send(
  response: ServerResponse,
  status: number,
  type: string,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  const contentType = type.includes("charset") ? type : `${type}; charset=utf-8`;
  response.writeHead(status, { ...HEADERS, "content-type": contentType, ...headers });
  response.end(response.req.method === "HEAD" ? undefined : body);
}

export function sendText(response: ServerResponse, status: number, line: string): void {
  send(response, status, "text/plain", `${line}\n`);
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: object,
  headers?: Readonly<Record<string, string>>,
): void {
  send(response, status, "application/json", JSON.stringify(body), headers);
}
