import { randomBytes } from "node:crypto";
import pg from "pg";
import { migrate } from "../src/migrate.ts";
import { noteOf } from "./texts.ts";

/** The databases of one bench run, on the server of TEST_DATABASE_URL. */
export class BenchServer {
  readonly #url: string;
  readonly #prefix = `autoembed_bench_${randomBytes(3).toString("hex")}`;
  readonly #made: string[] = [];

  constructor(url: string) {
    this.#url = url;
  }

  /** Creates a migrated database with `rows` notes, none of them embedded or queued; `fresh` copies it. */
  async template(
    name: string,
    dimensions: number,
    rows: number,
    prepare: (client: pg.Client) => Promise<unknown> = () => Promise.resolve(),
  ): Promise<string> {
    const database = `${this.#prefix}_${name}`;
    await this.#admin(`create database ${database}`);
    this.#made.push(database);
    await migrate({ databaseUrl: this.urlOf(database), dimensions });
    await withClient(this.urlOf(database), async (client) => {
      await client.query("set session_replication_role = replica");
      await insertNotes(client, rows);
      await client.query("create table plain_embeddings (like patient_embeddings including all)");
      await client.query("alter table plain_embeddings alter column context_text drop not null");
      await prepare(client);
      await client.query("vacuum analyze patient_embeddings");
    });
    return database;
  }

  /** Copies a template, for one turn. */
  async fresh(template: string): Promise<string> {
    const database = `${this.#prefix}_turn_${randomBytes(3).toString("hex")}`;
    await this.#whenUnused(`create database ${database} template ${template}`);
    this.#made.push(database);
    await this.#admin("checkpoint");
    return database;
  }

  async drop(database: string): Promise<void> {
    await this.#whenUnused(`drop database if exists ${database}`);
    this.#made.splice(this.#made.indexOf(database), 1);
  }

  async close(): Promise<void> {
    for (const database of [...this.#made])
      await this.#admin(`drop database if exists ${database} with (force)`);
    this.#made.length = 0;
  }

  urlOf(database: string): string {
    const url = new URL(this.#url);
    url.pathname = `/${database}`;
    return url.href;
  }

  async describe(): Promise<{ postgres: string; settings: string }> {
    return withClient(this.#url, async (client) => {
      const { rows } = await client.query<{ postgres: string; settings: string }>(`
        select 'Postgres ' || current_setting('server_version') || ', pgvector ' ||
            coalesce((select default_version from pg_available_extensions where name = 'vector'), 'missing') as postgres,
          (select string_agg(name || '=' || current_setting(name), ' ' order by name) from pg_settings
           where name in ('shared_buffers', 'fsync', 'synchronous_commit', 'max_wal_size', 'full_page_writes')) as settings`);
      const [row] = rows;
      if (row === undefined) throw new Error("the server returned no row");
      return row;
    });
  }

  /** Megabytes of a database on disk, once everything that was written to it is there. */
  async megabytesOf(database: string): Promise<number> {
    await this.#admin("checkpoint");
    return withClient(this.#url, async (client) => {
      const { rows } = await client.query<{ megabytes: number }>(
        "select pg_database_size($1) / 1048576.0::float8 as megabytes",
        [database],
      );
      return rows[0]?.megabytes ?? Number.NaN;
    });
  }

  /** Bytes of WAL that the whole server has written so far. */
  async walBytes(): Promise<number> {
    return withClient(this.#url, async (client) => {
      const { rows } = await client.query<{ bytes: number }>(
        "select (pg_current_wal_insert_lsn() - '0/0')::float8 as bytes",
      );
      return rows[0]?.bytes ?? 0;
    });
  }

  async #admin(statement: string): Promise<void> {
    await withClient(this.#url, (client) => client.query(statement));
  }

  /** Retries: a pool's connections stay for a moment after its end. */
  async #whenUnused(statement: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#admin(statement);
        return;
      } catch (error) {
        if (attempt === 100 || (error as { code?: string }).code !== "55006") throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }
}

export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function insertNotes(client: pg.Client, rows: number): Promise<void> {
  const PAGE = 10_000;
  for (let first = 1; first <= rows; first += PAGE) {
    const ids = Array.from({ length: Math.min(PAGE, rows - first + 1) }, (_, i) => first + i);
    await client.query(
      "insert into patient_embeddings (patient_id, context_text) select * from unnest($1::bigint[], $2::text[])",
      [ids, ids.map(noteOf)],
    );
  }
}
