import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

const PUBLISH = readFileSync(".github/workflows/publish.yml", "utf8");
const CI = readFileSync(".github/workflows/ci.yml", "utf8");
const MANIFEST = JSON.parse(readFileSync("package.json", "utf8")) as {
  readonly [field: string]: unknown;
  readonly engines: { readonly node: string };
  readonly scripts: Readonly<Record<string, string>>;
  readonly bin: Readonly<Record<string, string>>;
};

/** The lines of a step of the publish workflow that a shell runs, and what they do to a package.json. */
function fillIn(manifest: object, url: string): unknown {
  const [, script = ""] = /run: \|\n([^]*?)\n {8}env:\n {10}URL:/.exec(PUBLISH) ?? [];
  const folder = mkdtempSync(join(tmpdir(), "publish-"));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
  });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "any", version: "1.0.0", ...manifest }));
  execFileSync("bash", ["-ec", script], { cwd: folder, env: { ...process.env, URL: url }, stdio: "pipe" });
  return (JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Record<string, unknown>)[
    "repository"
  ];
}

test("The publish workflow asks for what provenance needs, and for no right more", () => {
  expect(PUBLISH).toContain("npm publish --provenance --access public");
  expect([...PUBLISH.matchAll(/^ *([\w-]+): (?:write|read)$/gm)].map(([line]) => line.trim())).toEqual([
    "contents: read",
    "contents: read",
    "id-token: write",
  ]);
  expect(CI).not.toMatch(/: write$/m);
  // In a script, a name that somebody else chose would be a command.
  for (const [, script = ""] of `${PUBLISH}${CI}`.matchAll(/run: (?:\|\n)?([^]*?)(?=\n {6,8}(?:- |env:)|$)/g))
    expect(script).not.toContain("${{");
});

test("package.json can be published: no address is made up, and the workflow fills in the repository's own", () => {
  expect(MANIFEST).toMatchObject({
    name: "pg-autoembed",
    version: expect.stringMatching(/^\d+\.\d+\.\d+$/) as string,
    license: "MIT",
    description: expect.stringMatching(/./) as string,
  });
  expect(MANIFEST["private"]).toBeUndefined();
  const url = "git+https://github.com/someone/a-repository.git";
  const filledIn = { type: "git", url };
  expect(fillIn({}, url)).toEqual(filledIn);
  expect(fillIn({ repository: filledIn }, url)).toEqual(filledIn);
  expect(() =>
    fillIn({ repository: { type: "git", url: "git+https://github.com/other/one.git" } }, url),
  ).toThrow("repository is git+https://github.com/other/one.git");
  const { repository } = MANIFEST;
  if (repository !== undefined)
    expect(repository).toMatchObject({
      type: "git",
      url: expect.stringMatching(/^git\+https:\/\//) as string,
    });
});

test("Every Node that CI tests is one that package.json allows, the oldest included, and its npm scripts exist", () => {
  const [, versions = ""] = /node: \[(.*)\]/.exec(CI) ?? [];
  const oldest = Number(/\d+/.exec(MANIFEST.engines.node)?.[0]);
  expect(versions.split(", ").map(Number)).toEqual([20, 22, 24]);
  expect(oldest).toBe(20);
  for (const [, script = ""] of `${PUBLISH}${CI}`.matchAll(/run: npm run ([\w-]+)/g))
    expect(Object.keys(MANIFEST.scripts)).toContain(script);
});
