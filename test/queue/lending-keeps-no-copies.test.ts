import { expect, onTestFinished, test } from "vitest";
import { describeNative } from "../support/database.ts";
import { prepare } from "../support/listening.ts";
import { startProviderServer } from "../support/provider-server.ts";

/** As many as models have, so that a batch of vectors is larger than what a statement may keep in memory. */
const DIMENSIONS = 1536;
const ROWS = 800;
const OURS =
  "select from pg_stat_activity where application_name = 'pg-autoembed' and datname = current_database()";

describeNative("Vectors that rows lend", "its statistics of temporary files are a server's", () => {
  test.each(["the watched table", "a table of their own"])(
    "are not copied on their way to %s",
    async (to) => {
      const { client, database, listen } = await prepare();
      const provider = await startProviderServer({ dimensions: DIMENSIONS });
      onTestFinished(() => provider.close());
      const isApart = to !== "the watched table";
      const column = `embedding vector(${DIMENSIONS})`;
      await client.query(`drop table if exists wide_notes;
      create table wide_notes (id int primary key, body text ${isApart ? "" : `, ${column}`})`);
      if (isApart)
        await client.query(
          `create table wide_vectors (id int primary key references wide_notes on delete cascade on update cascade, ${column})`,
        );
      await client.query("select autoembed.watch('wide_notes', 'body', vector_table => $1)", [
        isApart ? "wide_vectors" : null,
      ]);
      await client.query(`alter database ${new URL(database.url).pathname.slice(1)} set work_mem = '1MB'`);
      const files = async (): Promise<number> => {
        const { rows } = await client.query<{ files: number }>(
          "select temp_files::int as files from pg_stat_database where datname = current_database()",
        );
        return rows[0]?.files ?? Number.NaN;
      };
      const embed = async (from: number): Promise<void> => {
        await client.query(
          "insert into wide_notes select n + $1, 'note ' || n from generate_series(1, $2) n",
          [from, ROWS],
        );
        const listener = await listen({
          EMBEDDING_DIM: String(DIMENSIONS),
          OPENAI_BASE_URL: `${provider.url}/v1`,
        });
        await listener.whenDrained(AbortSignal.timeout(60_000));
        await listener.stop();
        // A session reports what it used when it ends.
        await expect.poll(async () => (await client.query(OURS)).rowCount, { timeout: 20_000 }).toBe(0);
      };
      await embed(0);
      const before = await files();
      const texts = provider.counts.inputs;

      await embed(ROWS);

      const { rows } = await client.query(
        `select count(embedding)::int as embedded from ${isApart ? "wide_vectors" : "wide_notes"}`,
      );
      expect(rows).toEqual([{ embedded: 2 * ROWS }]);
      expect(provider.counts.inputs - texts).toBe(1); // to learn the length of the vectors
      expect(await files()).toBe(before);
    },
  );
});
