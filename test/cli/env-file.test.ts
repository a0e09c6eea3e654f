import { lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { loadEnvFile, readEnvFile, writeEnvFile } from "../../src/setup/env-file.ts";

/** A folder that the process works in until the test has ended. */
async function enterFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "env-file-"));
  const before = process.cwd();
  process.chdir(folder);
  onTestFinished(async () => {
    process.chdir(before);
    await rm(folder, { recursive: true });
  });
  return folder;
}

test("A .env that is a symbolic link stays one, and the file behind it gets the settings", async () => {
  const folder = await enterFolder();
  await mkdir(join(folder, "shared"));
  await writeFile(join(folder, "shared", "env"), "# mine\nA=1\n");
  await symlink(join("shared", "env"), join(folder, ".env"));
  await writeEnvFile({ B: "2" });
  expect((await lstat(join(folder, ".env"))).isSymbolicLink()).toBe(true);
  expect(await readFile(join(folder, "shared", "env"), "utf8")).toBe("# mine\nA=1\nB=2\n");
  expect(await readdir(join(folder, "shared"))).toEqual(["env"]);
});

test("A .env that cannot be replaced leaves no file with the settings behind", async () => {
  const folder = await enterFolder();
  // It becomes a folder after it was read, so that it cannot be replaced.
  const settings = {
    get KEY(): string {
      mkdirSync(join(folder, ".env", "in-the-way"), { recursive: true });
      return "sk-secret";
    },
  };
  await expect(writeEnvFile(settings)).rejects.toThrow();
  expect(await readdir(folder)).toEqual([".env"]);
});

test("A .env that cannot be read is an error with what to do, and a missing one is none", async () => {
  const folder = await enterFolder();
  loadEnvFile();
  expect(await readEnvFile()).toEqual({});
  await mkdir(join(folder, ".env"));
  const told = "The file .env of this folder cannot be read (EISDIR).";
  expect(() => {
    loadEnvFile();
  }).toThrow(told);
  await expect(readEnvFile()).rejects.toThrow(told);
});
