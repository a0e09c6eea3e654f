import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { clusterArchive, unpackCluster } from "../../src/embedded/cluster-archive.ts";
import { startEmbedded } from "../../src/embedded/start-embedded.ts";
import { untar } from "../../src/embedded/untar.ts";
import { withClient } from "../support/with-client.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pg-autoembed-new-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

test("The build has made an archive of a new cluster, and a new data folder is made from it and not by initdb", async () => {
  expect(existsSync(await clusterArchive())).toBe(true);
  const identifiers: unknown[] = [];
  for (const name of ["one", "two"]) {
    const postgres = await startEmbedded({ dataDirectory: join(folder, name) });
    await withClient(postgres.url, async (client) => {
      const { rows } = await client.query<{ id: string }>(
        "select system_identifier as id from pg_control_system()",
      );
      identifiers.push(rows[0]?.id);
      await client.query("create table kept as select 1");
    });
    await postgres.close();
  }
  // initdb gives each cluster another identifier.
  expect(identifiers[0]).toBe(identifiers[1]);
  expect(await readdir(join(folder, "one"))).toEqual(["cluster"]);
}, 120_000);

test("What a killed start left of a new cluster is replaced, and a cluster that is there is left alone", async () => {
  const cluster = join(folder, "cluster");
  await mkdir(`${cluster}.new`);
  await writeFile(join(`${cluster}.new`, "half"), "");
  await unpackCluster(cluster);
  expect(await readdir(folder)).toEqual(["cluster"]);
  expect(await readdir(cluster)).toContain("PG_VERSION");
  expect(await readdir(cluster)).not.toContain("half");
  if (process.platform !== "win32") expect((await stat(cluster)).mode & 0o777).toBe(0o700);

  await rm(join(cluster, "base"), { recursive: true });
  await unpackCluster(cluster);
  expect(await readdir(cluster)).not.toContain("base");
});

test("A tar is unpacked the same in whatever pieces it comes, and one that ends too early is an error", async () => {
  const tar = Buffer.concat([
    entry("/sub", "5"),
    entry("/sub/large", "0", Buffer.alloc(1_300, "x")),
    entry("/deep/er/exact", "0", Buffer.alloc(512, "y")),
    entry("/empty", "0", Buffer.alloc(0)),
    Buffer.alloc(1_024),
  ]);
  for (const size of [1, 100, 512, 5_000]) {
    const to = join(folder, String(size));
    await untar(pieces(tar, size), to);
    expect(await readFile(join(to, "sub/large"), "utf8")).toBe("x".repeat(1_300));
    expect(await readFile(join(to, "deep/er/exact"), "utf8")).toBe("y".repeat(512));
    expect(await readFile(join(to, "empty"), "utf8")).toBe("");
  }
  await expect(untar(pieces(tar.subarray(0, 1_700), 512), join(folder, "cut"))).rejects.toThrow("too early");
});

function entry(name: string, type: string, content = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write(content.length.toString(8).padStart(11, "0"), 124);
  header.write(type, 156);
  return Buffer.concat([header, content, Buffer.alloc(-content.length & 511)]);
}

function pieces(bytes: Buffer, size: number): AsyncIterable<Buffer> {
  const starts = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => i * size);
  return Readable.from(starts.map((at) => bytes.subarray(at, at + size)));
}
