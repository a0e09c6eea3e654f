import { connect, createServer, type AddressInfo } from "node:net";
import { once } from "node:events";

/** Session settings that a transaction pooler refuses, because clients share its sessions. */
const REFUSED = ["options", "lock_timeout", "statement_timeout"];
const HEADER_BYTES = 8;

/** Stands before `databaseUrl` as PgBouncer does: it refuses a session that begins with its own settings. */
export async function startPooler(databaseUrl: string): Promise<{ readonly url: string; close(): void }> {
  const target = new URL(databaseUrl);
  const server = createServer((client) => {
    client.on("error", () => undefined);
    client.once("data", (startup) => {
      const names = startup
        .subarray(HEADER_BYTES)
        .toString()
        .split("\0")
        .filter((_, i) => i % 2 === 0);
      const refused = names.find((name) => REFUSED.includes(name));
      if (refused !== undefined) {
        client.end(errorResponse(`unsupported startup parameter: ${refused}`));
        return;
      }
      const upstream = connect(Number(target.port), target.hostname);
      upstream.on("error", () => client.destroy());
      client.on("close", () => upstream.destroy());
      upstream.write(startup);
      client.pipe(upstream).pipe(client);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = new URL(databaseUrl);
  url.port = String((server.address() as AddressInfo).port);
  return { url: url.href, close: () => server.close() };
}

function errorResponse(message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C08P01\0M${message}\0\0`);
  const header = Buffer.alloc(5);
  header.write("E");
  header.writeInt32BE(4 + fields.length, 1);
  return Buffer.concat([header, fields]);
}
