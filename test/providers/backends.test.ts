import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { COMMANDS } from "../../src/commands/commands.ts";
import { readConfig, SETTING_NAMES } from "../../src/config.ts";
import { SetupError } from "../../src/errors.ts";
import { BACKENDS } from "../../src/providers/backends/list.ts";
import { dimensionsOf, withProvider } from "../../src/providers/with-provider.ts";
import { NO_OVERRIDES, resolveProviderSettings } from "../../src/providers/resolve-provider-settings.ts";

/** The list with one more entry: nothing else of the program is told. */
vi.mock("../../src/providers/backends/list.ts", async (original) => {
  const list = await original<typeof import("../../src/providers/backends/list.ts")>();
  const { counting } = await import("../support/counting-backend.ts");
  return { BACKENDS: [...list.BACKENDS, counting] };
});

const never = new AbortController().signal;
const counts = { ...NO_OVERRIDES, backend: "counting" };

test("A backend that is added to the list is a choice of the configuration and of every command that takes one", async () => {
  expect(readConfig({ EMBEDDING_BACKEND: "counting" }).EMBEDDING_BACKEND).toBe("counting");
  for (const command of ["watch", "remodel"]) {
    expect((await COMMANDS[command]?.())?.usage).toContain(
      "--backend local|llm_api|ollama|voyage|cohere|gemini|vertex|bedrock|transformers|rest|counting",
    );
  }
  expect(() => readConfig({ EMBEDDING_BACKEND: "nonsense" })).toThrow(
    /expected one of local, llm_api, ollama, voyage, cohere, gemini, vertex, bedrock, transformers, rest, counting/,
  );
});

test("The environment's settings of an added backend are read, and its secrets are never repeated", () => {
  expect(SETTING_NAMES).toContain("COUNTING_KEY");
  expect(readConfig({ COUNTING_KEY: "count-1" })).toMatchObject({ COUNTING_KEY: "count-1" });
  expect(() => readConfig({ COUNTING_KEY: "hunter2" })).toThrow(
    /COUNTING_KEY: expected a key that begins with count-, got a value that is not repeated here/,
  );
  const file = join(mkdtempSync(join(tmpdir(), "autoembed-")), "key");
  writeFileSync(file, "count-2\n");
  expect(readConfig({ COUNTING_KEY_FILE: file })).toMatchObject({ COUNTING_KEY: "count-2" });
});

test("An added backend embeds with the settings of its source, and its fixed length is known without a request", async () => {
  const config = readConfig({});
  const source = { ...counts, model: "by twos", settings: { step: 2 } };
  expect(await dimensionsOf(config, source)).toBe(1);
  const floats = await withProvider(config, source, {}, async (provider) => {
    expect(provider.model).toBe("by twos");
    return (await provider.embed(["four"], "document", never)).vectors.at(0);
  });
  expect([...floats]).toEqual([8]);
});

test("A source that names an unknown backend is refused, and not embedded by another one", () => {
  const unknown = { ...NO_OVERRIDES, backend: "nonsense" };
  expect(() => resolveProviderSettings(readConfig({}), unknown)).toThrow(SetupError);
  expect(() => resolveProviderSettings(readConfig({}), unknown)).toThrow(
    'There is no backend "nonsense" in this version.',
  );
});

test("No file of src outside of providers/backends names a backend", () => {
  const ids = BACKENDS.map(({ id }) => id).join("|");
  // A whole string, or a choice among strings such as "a|b".
  const naming = new RegExp(`["'\`|](?:${ids})["'\`|]`);
  const files = readdirSync("src", { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.startsWith(join("providers", "backends")))
    .filter((file) => naming.test(readFileSync(join("src", file), "utf8")));
  expect(files).toEqual([]);
});
