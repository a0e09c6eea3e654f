import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { chooseDatabase } from "../../src/commands/init-database.ts";
import { NewSettings } from "../../src/setup/new-settings.ts";

const CLEARTEXT_PASSWORD = Buffer.from("520000000800000003", "hex");
const OK_AND_READY = Buffer.from("5200000008000000005a0000000549", "hex");

/** A server that asks for a password in clear text, and takes any. */
async function passwordServer() {
  const passwords: string[] = [];
  const server = createServer((client) => {
    client.on("error", () => undefined);
    client.once("data", () => {
      client.write(CLEARTEXT_PASSWORD);
      client.once("data", (message: Buffer) => {
        passwords.push(message.subarray(5, -1).toString());
        client.write(OK_AND_READY);
      });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, passwords };
}

const NOBODY = { isThere: false, signal: new AbortController().signal };

test("`init` tries the address that it is given with the password that DATABASE_PASSWORD_COMMAND prints", async () => {
  const { host, passwords } = await passwordServer();
  const url = `postgres://u@${host}/d`;
  const settings = new NewSettings({}, { DATABASE_PASSWORD_COMMAND: "echo from-a-command", PGPASSWORD: "" });
  await chooseDatabase(settings, { "database-url": url }, NOBODY);
  expect(passwords).toEqual(["from-a-command"]);
  expect(settings.chosen).toEqual({ DATABASE_URL: url });
});

test("`init` refuses an address with a password next to DATABASE_PASSWORD_COMMAND", async () => {
  const { host, passwords } = await passwordServer();
  const settings = new NewSettings({}, { DATABASE_PASSWORD_COMMAND: "echo from-a-command" });
  const url = `postgres://u:s3cret@${host}/d`;
  await expect(chooseDatabase(settings, { "database-url": url }, NOBODY)).rejects.toThrow(
    "DATABASE_PASSWORD_COMMAND: DATABASE_URL has a password too",
  );
  expect(passwords).toEqual([]);
});

test("`init` tries an address as it is understood when it is used", async () => {
  const { host } = await passwordServer();
  const url = `postgres://u:p@${host}/d?sslmode=disable&sslrootcert=system`;
  const tried = chooseDatabase(new NewSettings({}, {}), { "database-url": url }, NOBODY);
  await expect(tried).rejects.toThrow(/SSL|secure/);
});
