import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { isSent, readCopy, readStages } from "../support/dockerfile.ts";

// test/docs/emulate-dockerfile.ts runs the steps themselves, which takes npm a minute: CI runs it.
const stages = readStages();
const copies = stages.flatMap(({ instructions }) =>
  instructions.filter(({ name }) => name === "COPY").map(({ text }) => readCopy(text)),
);

test("Every file that the Dockerfile copies is there, and .dockerignore lets it through", () => {
  const sources = copies.filter(({ from }) => from === undefined).flatMap((copy) => copy.sources);
  expect(sources).toContain("package-lock.json");
  expect(sources.filter((source) => !existsSync(source) || !isSent(source))).toEqual([]);
  expect(copies.map(({ from }) => from).filter((from) => from !== undefined)).toEqual([
    "build",
    "build",
    "build",
  ]);
});

test("What runs is what was copied, in the folder of the package, by a user without rights", () => {
  const last = stages.at(-1)?.instructions ?? [];
  const text = (name: string): string =>
    last.findLast((instruction) => instruction.name === name)?.text ?? "";
  const { bin } = JSON.parse(readFileSync("package.json", "utf8")) as { bin: Record<string, string> };
  expect(JSON.parse(text("ENTRYPOINT"))).toEqual(["node", bin["pg-autoembed"]]);
  expect(text("USER")).toBe("node");
  const parts = last.filter(({ name }) => name === "COPY").flatMap((copy) => readCopy(copy.text).sources);
  expect(parts.map((part) => part.replace(/.*\//, ""))).toEqual([
    "package.json",
    "node_modules",
    "dist",
    "migrations",
  ]);
});

test("Both stages have one base, which is built for several kinds of machines, and its Node is one that is tested", () => {
  const [base = "", ...others] = new Set(stages.map((stage) => stage.base));
  expect(others).toEqual([]);
  // No --platform and no digest, which would name one kind: the official image of that name is a list of them.
  const [, major] = /^node:(\d+)-\w+-slim$/.exec(base) ?? [];
  const [, tested = ""] = /node: \[(.*)\]/.exec(readFileSync(".github/workflows/ci.yml", "utf8")) ?? [];
  expect(tested.split(", ")).toContain(major);
});
