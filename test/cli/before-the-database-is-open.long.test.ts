import { once } from "node:events";
import { mkdtemp, readdir } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { runCommand } from "../support/command.ts";

/** The address of a server that accepts connections and never answers. */
async function silentServer(onConnection: () => void): Promise<string> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    onConnection();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test.each([
  ["/proc/x", "ENOENT"],
  ["/proc/x/y", "ENOENT"],
  ["package.json", "EEXIST"],
])(
  "A data folder that cannot be made (%s) ends a command with 2, its name and what to do",
  async (folder, code) => {
    for (const args of [["start"], ["status", "--json"]]) {
      const command = runCommand(args, { EMBED_DATA_DIR: folder });
      expect(await command.exited).toBe(2);
      expect(command.stdout()).toBe("");
      expect(command.stderr()).toMatch(
        new RegExp(
          `^The data folder ${folder} cannot be used \\(${code}\\)\\.\nIn EMBED_DATA_DIR, name a folder`,
        ),
      );
    }
  },
);

test.each(["SIGINT", "SIGTERM"] as const)(
  "A start that waits for a database which never answers ends by %s, with 0",
  async (signal) => {
    let connections = 0;
    const address = await silentServer(() => (connections += 1));
    const command = runCommand(["start"], { DATABASE_URL: `postgres://user@${address}/database` });
    await expect.poll(() => connections).toBe(1);
    command.process.kill(signal);
    const asked = performance.now();
    expect(await command.exited).toBe(0);
    // Without the signal, the wait ends after ten seconds.
    expect(performance.now() - asked).toBeLessThan(8_000);
    expect(command.stderr()).toBe("Stopped before the database was open.\n");
  },
);

test("A start whose provider never answers ends by a signal, with 0, and leaves no lock of the embedded Postgres", async () => {
  let connections = 0;
  const address = await silentServer(() => (connections += 1));
  const folder = await mkdtemp(join(tmpdir(), "autoembed-stopped-"));
  const command = runCommand(["start"], {
    EMBED_DATA_DIR: folder,
    EMBED_PORT: "0",
    EMBEDDING_BACKEND: "llm_api",
    EMBEDDING_TIMEOUT: "600000",
    OPENAI_BASE_URL: `http://${address}/v1`,
  });
  await expect.poll(() => connections).toBe(1);
  command.process.kill("SIGTERM");
  expect(await command.exited).toBe(0);
  expect(command.stderr()).toBe("Stopped before the database was open.\n");
  expect(await readdir(folder)).toEqual(["cluster"]);
});
