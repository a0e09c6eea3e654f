import pg from "pg";
import { expect, test } from "vitest";
import { openTestDatabase } from "../support/database.ts";

test.each([512, 8])(
  "A test gets a fresh database that is migrated for vectors of %i dimensions",
  async (dimensions) => {
    const first = await openTestDatabase({ dimensions });
    const second = await openTestDatabase({ dimensions });
    try {
      for (const { url } of [first, second]) {
        const client = new pg.Client(url);
        await client.connect();
        await client.query("insert into patient_embeddings (patient_id, context_text) values (1, 'a text')");
        const { rows } = await client.query<{ type: string }>(
          `select format_type(atttypid, atttypmod) as type from pg_attribute
          where attrelid = 'patient_embeddings'::regclass and attname = 'embedding'`,
        );
        expect(rows).toEqual([{ type: `vector(${dimensions})` }]);
        await client.end();
      }
    } finally {
      await Promise.all([first.close(), second.close()]);
    }
  },
);
