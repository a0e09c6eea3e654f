import { expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { createListener } from "../../src/listener/listener.ts";
import { describeNative } from "../support/database.ts";
import { openEncoded } from "../support/encoded-database.ts";
import { DIMENSIONS, prepare } from "../support/listening.ts";
import { oracleVector } from "../support/oracle-vector.ts";

vi.setConfig({ testTimeout: 120_000 });

/** A text of the encoding, and a byte that is no character in it though Postgres stores it. */
const ENCODINGS = [
  ["WIN1252", "café “naïve” €", 129],
  ["ISO_8859_7", "Σακχαρώδης διαβήτης", 174],
  ["KOI8R", "сахарный диабет", undefined],
] as const;

describeNative("A database with a single-byte encoding", "needs databases of its own", () => {
  test.each(ENCODINGS)(
    "%s: texts are embedded as they are, and one with a byte that is no character fails alone",
    async (encoding, words, byte) => {
      const { environment } = await prepare();
      const { client, url } = await openEncoded(encoding, DIMENSIONS);
      const config = { ...readConfig({ ...environment, DATABASE_URL: url }), DATABASE_URL: url };
      const listener = createListener(config);
      onTestFinished(async () => {
        await listener.stop();
      });
      await client.query("insert into patient_embeddings values (1, $1)", [words]);
      if (byte !== undefined)
        await client.query("insert into patient_embeddings values (2, 'odd ' || chr($1))", [byte]);
      await client.query("insert into patient_embeddings values (3, 'plain')");
      await listener.start();
      await listener.whenDrained(AbortSignal.timeout(30_000));
      const { rows } = await client.query<{ patient_id: string; embedding: string | null }>(
        "select patient_id, embedding from patient_embeddings order by patient_id",
      );
      const vectors = rows.map(
        ({ embedding }) => embedding && Float32Array.from(JSON.parse(embedding) as number[]),
      );
      const plain = oracleVector("plain", DIMENSIONS);
      expect(vectors).toEqual([
        oracleVector(words, DIMENSIONS),
        ...(byte === undefined ? [] : [null]),
        plain,
      ]);
      const failed = await client.query<{ key: string; last_error: string }>(
        "select key, last_error from autoembed.embedding_queue where failed_at is not null",
      );
      expect(failed.rows).toEqual(
        byte === undefined ? [] : [{ key: "2", last_error: expect.stringContaining("22P05") as string }],
      );
    },
  );
});
