import { readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:https";
import { connect, createServer as createTcpServer, type AddressInfo, type Server } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openProvider } from "../../src/providers/provider-stack.ts";
import type { OpenAiSettings } from "../../src/providers/backends/openai-compatible.ts";
import { startProviderServer, type ProviderServer } from "../support/provider-server.ts";

const tls = (name: string): string => fileURLToPath(new URL(`../support/tls/${name}`, import.meta.url));

let server: ProviderServer;
const servers: Server[] = [];
beforeAll(async () => {
  server = await startProviderServer({ dimensions: 8 });
});
afterAll(async () => {
  for (const each of servers) each.close();
  await server.close();
});

async function listen(each: Server): Promise<number> {
  servers.push(each);
  await new Promise<void>((resolve) => each.listen(0, "127.0.0.1", resolve));
  return (each.address() as AddressInfo).port;
}

/** Speaks TLS with a self-signed certificate, and passes each request to the provider. */
async function startTlsFront(): Promise<number> {
  const front = createServer({
    key: readFileSync(tls("key.pem")),
    cert: readFileSync(tls("certificate.pem")),
  });
  front.on("request", (request, response) => {
    const { method, headers, url } = request;
    fetch(server.url + (url ?? ""), {
      method: method ?? "POST",
      headers: { "content-type": "x" },
      body: request,
      duplex: "half",
    })
      .then(async (answer) => response.end(await answer.text()))
      .catch(() => response.destroy(new Error(headers.host)));
  });
  return await listen(front);
}

/** A proxy that connects every CONNECT to the provider, and records which host was asked for. */
async function startProxy(asked: string[]): Promise<number> {
  const proxy = createHttpServer();
  proxy.on("connect", (request, socket, head) => {
    asked.push(`${request.url ?? ""} ${request.headers["proxy-authorization"] ?? ""}`);
    const tunnel = connect(Number(new URL(server.url).port), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      tunnel.write(head);
      tunnel.pipe(socket).pipe(tunnel);
    });
    const end = (): void => {
      tunnel.destroy();
      socket.destroy();
    };
    tunnel.on("error", end);
    socket.on("error", end);
  });
  return await listen(proxy);
}

const settings = (more: Partial<OpenAiSettings>): OpenAiSettings => ({
  backend: "llm_api",
  model: "m",
  baseUrl: server.openAiUrl,
  timeoutMs: 20_000,
  ...more,
});

function through(scheme: string, port: number): OpenAiSettings {
  const proxy = `http://user:secret@127.0.0.1:${port}`;
  return settings({ baseUrl: `${scheme}://provider.test/v1`, proxy: { http: proxy, https: proxy } });
}

describe("A provider behind TLS is trusted by its certificate alone", () => {
  test("A provider with a self-signed certificate is not trusted", async () => {
    const baseUrl = `https://127.0.0.1:${await startTlsFront()}/v1`;
    await expect(openProvider(settings({ baseUrl }))).rejects.toMatchObject({
      kind: "setup",
      message: /TLS: DEPTH_ZERO_SELF_SIGNED_CERT.*EMBED_CA_FILE/,
    });
  });

  test("A provider whose authority is in EMBED_CA_FILE is trusted", async () => {
    const baseUrl = `https://127.0.0.1:${await startTlsFront()}/v1`;
    const provider = await openProvider(settings({ baseUrl, caFile: tls("certificate.pem") }));
    expect(provider.dimensions).toBe(8);
    await provider.close();
  });

  test("A provider that speaks plain HTTP in place of TLS is reported with its setting", async () => {
    const baseUrl = server.openAiUrl.replace("http:", "https:");
    await expect(openProvider(settings({ baseUrl }))).rejects.toMatchObject({
      kind: "setup",
      message: /TLS.*OPENAI_BASE_URL/,
    });
  });

  test("A file of authorities that cannot be read is reported by name", async () => {
    const opened = openProvider(settings({ caFile: "/no/such.pem" }));
    await expect(opened).rejects.toMatchObject({
      kind: "setup",
      message: /EMBED_CA_FILE: \/no\/such.pem/,
    });
  });
});

describe("A proxy is used for other machines alone", () => {
  test("A proxy carries requests to another machine", async () => {
    const asked: string[] = [];
    const http = `http://user:secret@127.0.0.1:${await startProxy(asked)}`;
    const provider = await openProvider(settings({ baseUrl: "http://provider.test/v1", proxy: { http } }));
    expect(provider.dimensions).toBe(8);
    expect(asked[0]).toMatch(/^provider\.test:80 Basic /);
    await provider.close();
  });

  test("A proxy is not used for this machine and for excepted hosts", async () => {
    const asked: string[] = [];
    const http = `http://127.0.0.1:${await startProxy(asked)}`;
    const provider = await openProvider(settings({ proxy: { http } }));
    await provider.close();
    const excepted = openProvider(
      settings({ baseUrl: "http://provider.invalid/v1", proxy: { http, except: "provider.invalid" } }),
    );
    await expect(excepted).rejects.toThrow(/provider\.invalid/);
    expect(asked).toEqual([]);
  });

  test("A proxy that does not answer is reported without its password", async () => {
    const http = "http://user:secret@127.0.0.1:9";
    const opened = openProvider(settings({ baseUrl: "http://provider.test/v1", proxy: { http } }));
    await expect(opened).rejects.toMatchObject({
      kind: "unavailable",
      message: /^((?!secret).)*HTTP_PROXY is set((?!secret).)*$/,
    });
    const unknown = openProvider(
      settings({
        baseUrl: "https://provider.test/v1",
        proxy: { https: "http://user:secret@no-proxy.invalid" },
      }),
    );
    await expect(unknown).rejects.toThrow(/^((?!secret).)*HTTPS_PROXY((?!secret).)*$/);
  });

  test.each(["http", "https"])("A proxy that hangs up is asked once per request, for %s", async (scheme) => {
    let asked = 0;
    const proxy = await listen(
      createTcpServer((socket) => {
        asked++;
        socket.destroy();
      }),
    );
    const opened = openProvider(through(scheme, proxy));
    await expect(opened).rejects.toMatchObject({
      kind: "unavailable",
      message: /proxy of HTTPS?_PROXY hung up/,
    });
    expect(asked).toBe(1);
  });

  test.each([
    [407, "setup", /wants another user or password \(407\)\. Check them in HTTPS_PROXY/],
    [403, "setup", /refuses to connect to it \(403\).*NO_PROXY/],
    [503, "unavailable", /HTTPS_PROXY answered 503\. It is tried again later/],
  ])("A proxy that answers %i is named, with what to do", async (status, kind, message) => {
    const proxy = createHttpServer().on("connect", (_request, socket) => {
      socket.on("error", () => undefined).end(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`);
    });
    const opened = openProvider(through("https", await listen(proxy)));
    await expect(opened).rejects.toMatchObject({ kind, message });
    await expect(opened).rejects.toThrow(/^((?!secret).)*$/);
  });

  test("A proxy that never says whether it connects is not waited for longer than EMBEDDING_TIMEOUT", async () => {
    const proxy = createHttpServer().on("connect", (_request, socket) => {
      socket.on("error", () => undefined);
    });
    const opened = openProvider({ ...through("https", await listen(proxy)), timeoutMs: 300 });
    await expect(opened).rejects.toMatchObject({ kind: "unavailable", message: /within 300 ms/ });
  });

  test.each([
    "not a url",
    "proxy.test:3128",
    "ftp://proxy.test",
    "http://user:50%secret@proxy.test",
    "http://:secret@",
  ])("A proxy at %j is refused by the name of its variable", async (http) => {
    const opened = openProvider(settings({ baseUrl: "http://provider.test/v1", proxy: { http } }));
    await expect(opened).rejects.toMatchObject({
      name: "UsageError",
      message: "HTTP_PROXY is no address of a proxy.",
      remedy: expect.not.stringContaining("secret") as string,
    });
    const onThisMachine = await openProvider(settings({ proxy: { http } }));
    await onThisMachine.close();
  });
});

test.each([
  ["api.voyageai.com", { truncation: false }],
  ["ai.mongodb.com", { truncation: false }],
  ["integrate.api.nvidia.com", { truncate: "NONE" }],
  ["api.openai.com.test", {}],
])("llm_api tells %s not to cut a text in silence, unless a setting says otherwise", async (host, uncut) => {
  const http = `http://127.0.0.1:${await startProxy([])}`;
  const own = { baseUrl: `http://${host}/v1`, proxy: { http } };
  const sent = async (extraBody: object): Promise<unknown> => {
    const provider = await openProvider(settings({ ...own, model: "m-query", extraBody: { ...extraBody } }));
    await provider.close();
    return server.requests.at(-1)?.body;
  };
  const plain = { input: expect.anything() as unknown, model: "m-query", encoding_format: "base64" };
  expect(await sent({})).toEqual({ ...plain, ...uncut });
  expect(await sent({ truncation: true, truncate: "END" })).toEqual({
    ...plain,
    truncation: true,
    truncate: "END",
  });
});
