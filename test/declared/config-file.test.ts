import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { readConfigFile } from "../../src/declared/config-file.ts";
import { parseDeclared } from "../../src/declared/parse-declared.ts";
import { UsageError } from "../../src/errors.ts";

const IN_TYPESCRIPT = `
import { defineConfig, type DeclaredSource } from "pg-autoembed";
const source: DeclaredSource = { table: "tickets", text: "body" };
export default defineConfig({ sources: [source] });
`;
const IN_JAVASCRIPT = `
import { defineConfig } from "pg-autoembed";
export default defineConfig({ sources: [{ table: "tickets", text: "body" }] });
`;

/** A working folder with these files. */
async function enterFolder(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "config-file-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const cwd = vi.spyOn(process, "cwd").mockReturnValue(folder);
  onTestFinished(() => {
    cwd.mockRestore();
  });
  return folder;
}

test.each([
  ["autoembed.config.ts", IN_TYPESCRIPT],
  ["autoembed.config.mts", IN_TYPESCRIPT],
  ["autoembed.config.js", IN_JAVASCRIPT],
  ["autoembed.config.mjs", IN_JAVASCRIPT],
  ["autoembed.config.json", '{ "sources": [{ "table": "tickets", "text": "body" }] }'],
])("%s is read in a folder that has not installed the package", async (name, text) => {
  const folder = await enterFolder({ [name]: text });
  expect(await readConfigFile(join(folder, name))).toMatchObject({
    sources: [{ table: "tickets", text: "body" }],
  });
});

test.each([
  ["a file that does not exist", "none.ts", undefined, "There is no file"],
  ["a file with an error of syntax", "wrong.ts", "export default {", "cannot be read"],
  ["a file that throws", "throws.ts", "throw new Error('no weather today')", "no weather today"],
  ["a file without a default export", "nothing.ts", "export const a = 1;", "sources: "],
  ["a file of JSON that is cut off", "cut.json", "[", "cannot be read"],
])("%s is an error of usage that names the file", async (_, name, text, message) => {
  const folder = await enterFolder(text === undefined ? {} : { [name]: text });
  const reading = readConfigFile(join(folder, name));
  await expect(reading).rejects.toThrow(UsageError);
  await expect(reading).rejects.toThrow(message);
  await expect(reading).rejects.toThrow(name);
});

function problemsOf(contents: unknown): string {
  try {
    parseDeclared(contents, "autoembed.config.ts");
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  return "";
}

test("Every error of a configuration file is reported at once, each with its place and what was probably meant", () => {
  const problems = problemsOf({
    sources: [
      { tabel: "tickets", text: "body", settings: { base_uri: "https://x" } },
      { table: "notes", name: "my notes" },
      { table: "both", text: "a", columns: ["a"] },
      { table: "cut", text: "a", overlap: 5, unit: "words" },
      { table: "uncut", text: "a", chunk: 5, into: "c" },
      { table: "apart", text: "a", chunk: 800 },
      { table: "by", text: "a", backend: "openia", dimensions: 0, index: "yes" },
    ],
    source: [],
  });
  expect(problems).toContain("autoembed.config.ts has ");
  expect(problems).toContain("sources[0]: tabel: no such field; did you mean table?");
  expect(problems).toContain("sources[0], settings: base_uri: no such field; did you mean base_url?");
  expect(problems).toContain("source: no such field; did you mean sources?");
  expect(problems).toContain("sources[6] (by), backend: expected one of local, llm_api");
  expect(problems).toContain("sources[6] (by), dimensions: ");
  expect(problems).toContain('sources[6] (by), index: expected true, false or { memory: "2gb" }');
  expect(problems).toContain("sources[3] (cut), unit: ");
});

test("What the shape alone does not show is reported with the source's name", () => {
  const problems = problemsOf({
    sources: [
      { table: "notes", name: "my notes" },
      { table: "both", text: "a", columns: ["a"] },
      { table: "uncut", text: "a", chunk: 5, into: "c" },
      { table: "apart", text: "a", chunk: 800 },
      { table: "lapped", text: "a", overlap: 9 },
    ],
  });
  expect(problems).toContain("sources[0] (my notes): name the text");
  expect(problems).toContain("sources[1] (both): name the text");
  expect(problems).toContain("sources[2] (uncut): A chunk has at least 20 characters");
  expect(problems).toContain("sources[3] (apart): chunk needs a table for the chunks");
  expect(problems).toContain("sources[4] (lapped): overlap and unit need chunk");
});

test.each([
  [{ settings: { tokens_per_min: 1 } }, "tokens_per_min: no such field; did you mean tokens_per_minute?"],
  [{ keys: ["id"] }, "keys: no such field; did you mean key?"],
])("A misspelt field is not taken for a secret: %j", (more, problem) => {
  expect(problemsOf({ sources: [{ table: "tickets", text: "body", ...more }] })).toContain(problem);
});

test.each([
  [{ apiKey: "sk-secret" }],
  [{ apikey: "sk-secret" }],
  [{ settings: { api_key: "sk-secret" } }],
  [{ settings: { headers: "sk-secret" } }],
  [{ settings: { api_key_env: "sk-secret" } }],
  [{ settings: { base_url: "https://user:sk-secret@host/v1" } }],
])("A secret in the file is refused without being repeated: %j", (more) => {
  const problems = problemsOf({ sources: [{ table: "tickets", text: "body", ...more }] });
  expect(problems).toMatch(/_API_KEY|api_key_env/);
  expect(problems).not.toContain("sk-secret");
});
