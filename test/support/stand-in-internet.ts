import { readFileSync } from "node:fs";
import { createServer, request as send, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect, type AddressInfo, type Server } from "node:net";
import { fileURLToPath } from "node:url";

const tls = (name: string): string => fileURLToPath(new URL(`./tls/${name}`, import.meta.url));

/** The authority that the stand-ins of the providers' addresses are trusted by. */
export const AUTHORITY = tls("services-certificate.pem");

/**
 * A proxy behind which every address is answered by one server of ours, by TLS at port 443: a provider's own address can be
 * set, and nothing leaves this machine.
 */
export async function startStandInInternet(serverUrl: string) {
  const servers: Server[] = [];
  const listen = async (server: Server): Promise<number> => {
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return (server.address() as AddressInfo).port;
  };
  const pass = (request: IncomingMessage, response: ServerResponse): void => {
    const { method, headers, url = "/" } = request;
    const passed = send(new URL(url, serverUrl), { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    passed.on("error", () => response.destroy());
    request.pipe(passed);
  };
  const plain = await listen(createServer(pass));
  const credentials = { key: readFileSync(tls("services-key.pem")), cert: readFileSync(AUTHORITY) };
  const secure = await listen(createTlsServer(credentials, pass));
  const proxy = createServer();
  proxy.on("connect", ({ url = "" }, socket, head) => {
    const tunnel = connect(url.endsWith(":443") ? secure : plain, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      tunnel.write(head);
      tunnel.pipe(socket).pipe(tunnel);
    });
    tunnel.on("error", () => socket.destroy());
    socket.on("error", () => tunnel.destroy());
  });
  const port = await listen(proxy);
  return {
    proxyUrl: `http://127.0.0.1:${port}`,
    close: (): void => {
      for (const server of servers) server.close();
    },
  };
}
