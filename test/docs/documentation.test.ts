import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { COMMANDS } from "../../src/commands/commands.ts";

const PAGES = [
  "README.md",
  "llms.txt",
  ...readdirSync("docs")
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
  "skills/pg-autoembed/SKILL.md",
];
const scripts = Object.keys(
  (JSON.parse(readFileSync("package.json", "utf8")) as { scripts: object }).scripts,
);

test.each(PAGES)("Every link of %s leads to a file", (page) => {
  const links = [...readFileSync(page, "utf8").matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(
    ([, target]) => target ?? "",
  );
  expect(links.filter((target) => !existsSync(join(dirname(page), target)))).toEqual([]);
});

/** The anchors of a page, as GitHub makes them of its headings. */
function anchorsOf(page: string): string[] {
  return [...readFileSync(page, "utf8").matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

test.each(PAGES)("Every link of %s to a heading leads to one", (page) => {
  const links = [...readFileSync(page, "utf8").matchAll(/\]\(([^)#:]*\.md|)#([^)]+)\)/g)];
  const broken = links.filter(([, target = "", anchor = ""]) => {
    const linked = target === "" ? page : join(dirname(page), target);
    return !existsSync(linked) || !anchorsOf(linked).includes(anchor);
  });
  expect(broken.map(([link]) => link)).toEqual([]);
});

test.each(["README.md", "llms.txt"])("%s leads to every page of docs, and to the skill", (page) => {
  const text = readFileSync(page, "utf8");
  expect(PAGES.filter((other) => /^(docs|skills)\//.test(other) && !text.includes(`](${other})`))).toEqual(
    [],
  );
});

test("The section of docs/providers.md that doctor names is there", () => {
  const named = /docs\/providers\.md, "([^"]+)"/.exec(readFileSync("src/doctor/examine-source.ts", "utf8"));
  expect(named).not.toBeNull();
  expect(readFileSync("docs/providers.md", "utf8")).toContain(`\n## ${named?.[1] ?? ""}\n`);
});

test("The skill has the form that coding agents look for, and is in the package", () => {
  const [, name, description = ""] =
    /^---\nname: (.*)\ndescription: (.*)\n---\n/.exec(readFileSync("skills/pg-autoembed/SKILL.md", "utf8")) ??
    [];
  expect(name).toBe("pg-autoembed");
  expect(description.length).toBeGreaterThan(100);
  expect(description.length).toBeLessThan(1024);
  const { files } = JSON.parse(readFileSync("package.json", "utf8")) as { files: string[] };
  expect(files).toContain("skills");
});

test("The README fits in 150 lines", () => {
  expect(readFileSync("README.md", "utf8").trimEnd().split("\n").length).toBeLessThanOrEqual(150);
});

test("Every command is in docs/commands.md, and is a script of the package", () => {
  const page = readFileSync("docs/commands.md", "utf8");
  const names = Object.keys(COMMANDS);
  expect(
    names.filter(
      (name) =>
        !page.includes(`\`npm run ${name}`) &&
        !page.includes(`\`npm ${name}`) &&
        !page.includes(`\`${name}\``),
    ),
  ).toEqual([]);
  expect(names.filter((name) => !scripts.includes(name))).toEqual([]);
});

test.each(PAGES)("Every script that %s tells to run exists", (page) => {
  const told = [...readFileSync(page, "utf8").matchAll(/npm run (?:-s |--silent )?([a-z]+)/g)].map(
    ([, name]) => name ?? "",
  );
  expect(told.filter((name) => !scripts.includes(name))).toEqual([]);
});

test.each([
  ["README.md", "## Guarantees", /\]\(test\/[\w/-]+(?:\.long)?\.test\.ts\)/],
  ["docs/safety.md", "## The proofs", /\]\(\.\.\/test\/[\w/-]+(?:\.long)?\.test\.ts\)/],
])("Every promise of %s under %s links to the test that holds it", (page, heading, link) => {
  const section = readFileSync(page, "utf8").split(`${heading}\n`)[1]?.split("\n## ", 1)[0] ?? "";
  const promises = section
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .slice(2);
  expect(promises.length).toBeGreaterThan(5);
  expect(promises.filter((promise) => !link.test(promise))).toEqual([]);
});
