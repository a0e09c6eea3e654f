import { expect, onTestFinished, test, vi } from "vitest";
import { NAME, prepareChange } from "../support/changing-model.ts";
import { runCommand } from "../support/command.ts";
import { DIMENSIONS } from "../support/listening.ts";
import { startProviderServer } from "../support/provider-server.ts";

vi.setConfig({ testTimeout: 120_000 });

/** A source whose texts go to its own provider, with its own key. */
async function prepareOwn() {
  const around = await prepareChange(0);
  const { client, environment } = around;
  await around.listener.stop();
  const own = await startProviderServer({ dimensions: DIMENSIONS });
  own.apiKey = "their-key";
  onTestFinished(() => own.close());
  await client.query(
    "update autoembed.embedding_source set backend = 'llm_api', model = 'own-model', settings = $1 where name = $2",
    [{ base_url: own.openAiUrl, api_key_env: "OWN_API_KEY" }, NAME],
  );
  onTestFinished(async () => {
    await client.query("update autoembed.embedding_source set backend = null, model = null, settings = '{}'");
  });
  await client.query(
    "insert into patient_embeddings select n, 'private ' || n from generate_series(1, 10) n",
  );
  const remodel = async (...args: string[]) => {
    const command = runCommand(["remodel", NAME, ...args], { ...environment, OWN_API_KEY: "their-key" });
    return { code: await command.exited, stdout: command.stdout(), stderr: command.stderr() };
  };
  return { ...around, own, remodel };
}

const modelsOf = ({ requests }: Awaited<ReturnType<typeof startProviderServer>>) =>
  new Set(
    requests
      .filter(({ texts }) => texts.some((text) => text.startsWith("private")))
      .map(({ body }) => body["model"]),
  );

test("A change of the model's name alone stays with the source's own provider, and no text goes elsewhere", async () => {
  const { client, remodel, own, provider } = await prepareOwn();
  const plan = await remodel("--model", "new-model", "--dry-run");
  expect(plan).toMatchObject({ code: 0, stdout: expect.stringContaining(own.url) as string });
  const changed = await remodel("--model", "new-model");
  expect(changed).toMatchObject({ code: 0, stderr: expect.stringContaining(own.url) as string });
  expect(modelsOf(own)).toContain("new-model");
  expect(modelsOf(provider)).toEqual(new Set());
  const { rows } = await client.query(
    "select model, settings->>'base_url' as url from autoembed.embedding_source order by name",
  );
  expect(rows).toEqual([
    { model: "new-model", url: own.openAiUrl },
    { model: "own-model", url: own.openAiUrl },
  ]);
});

test("A change to another server passes on neither the key nor the settings of the old server", async () => {
  const { client, remodel, own } = await prepareOwn();
  const other = await startProviderServer({ dimensions: DIMENSIONS });
  onTestFinished(() => other.close());
  expect(await remodel("--base-url", other.openAiUrl, "--model", "new-model")).toMatchObject({ code: 0 });
  expect(other.requests.map(({ headers }) => headers.authorization)).not.toContain("Bearer their-key");
  expect(modelsOf(own)).not.toContain("new-model");
  const { rows } = await client.query("select settings from autoembed.embedding_source where name = $1", [
    NAME,
  ]);
  expect(rows).toEqual([{ settings: { base_url: other.openAiUrl } }]);
});

test("A change of the model in progress is not continued for another server", async () => {
  const { client, remodel, own } = await prepareOwn();
  own.poison = (text) => text === "private 3";
  expect(await remodel("--model", "new-model")).toMatchObject({ code: 1 });
  own.poison = undefined;
  await client.query("update autoembed.embedding_queue set failed_at = null");
  const other = await startProviderServer({ dimensions: DIMENSIONS });
  onTestFinished(() => other.close());
  const elsewhere = await remodel("--base-url", other.openAiUrl, "--model", "new-model");
  expect(elsewhere).toMatchObject({ code: 2, stderr: expect.stringContaining("is under way") as string });
  expect(await remodel("--model", "new-model")).toMatchObject({ code: 0 });
});

test("Each step of a change of the model prints one JSON document with --json", async () => {
  const { remodel } = await prepareOwn();
  const steps = async (...names: string[]): Promise<void> => {
    for (const step of names) {
      const done = await remodel(`--${step}`, "--json");
      expect(done).toMatchObject({ code: 0 });
      expect(JSON.parse(done.stdout)).toEqual({ source: NAME, step, message: expect.any(String) as string });
    }
  };
  expect(await remodel("--model", "new-model")).toMatchObject({ code: 0 });
  await steps("rollback", "pause", "cancel");
  expect(await remodel("--model", "new-model")).toMatchObject({ code: 0 });
  await steps("finish");
});
