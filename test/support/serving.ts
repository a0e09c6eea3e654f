import { pino } from "pino";
import { onTestFinished } from "vitest";
import { readConfig } from "../../src/config.ts";
import { startHttp } from "../../src/http/server.ts";
import type { Listener } from "../../src/listener/listener.ts";

export interface Serving {
  readonly url: string;
  close(): Promise<void>;
  /** What the server logged. */
  readonly logged: readonly string[];
  /** The hidden token of the page's forms. */
  formToken(): Promise<string>;
  /** Posts a form as the page's own script-less browser would. */
  post(
    path: string,
    fields: Readonly<Record<string, string | readonly string[]>>,
    headers?: Record<string, string>,
  ): Promise<Response>;
}

/** The page and the metrics of a listener, on their own port; closed when the test ends. */
export async function serve(
  listener: Listener,
  databaseUrl: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<Serving> {
  const config = readConfig({ DATABASE_URL: databaseUrl, ...settings });
  const logged: string[] = [];
  const log = pino({ level: "trace" }, { write: (line: string) => logged.push(line) });
  const http = await startHttp({ ...config, DATABASE_URL: databaseUrl, EMBED_HTTP_PORT: 0 }, listener, log);
  onTestFinished(() => http.close());
  const serving: Serving = {
    url: http.url,
    close: () => http.close(),
    logged,
    async formToken() {
      const page = await (await fetch(http.url)).text();
      const [, token] = /name="token" value="([^"]+)"/.exec(page) ?? [];
      if (token === undefined) throw new Error("the page has no form");
      return token;
    },
    async post(path, fields, headers = {}) {
      const token = fields["token"] ?? (await serving.formToken());
      return await fetch(new URL(path, http.url), {
        method: "POST",
        redirect: "manual",
        headers: { "sec-fetch-site": "same-origin", ...headers },
        body: new URLSearchParams(
          Object.entries({ ...fields, token }).flatMap(([name, values]) =>
            [values].flat().map((value): [string, string] => [name, value]),
          ),
        ),
      });
    },
  };
  return serving;
}
