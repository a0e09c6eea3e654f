import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { runCommand } from "../support/command.ts";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS, prepare, type Listening } from "../support/listening.ts";

vi.setConfig({ testTimeout: 180_000 });

describeNative(
  "Building an index",
  "the embedded Postgres has one session, and no notices of a build",
  () => {
    let on: Listening;
    beforeEach(async () => {
      on = await prepare();
      await on.client.query(`
      drop table if exists public.letters;
      create table public.letters (id int primary key, body text, embedding vector(${DIMENSIONS}));
      insert into public.letters select n, 'letter ' || n,
        (select array_agg(sin(n * i)) from generate_series(1, ${DIMENSIONS}) i)::vector from generate_series(1, 2500) n;
      select autoembed.watch('public.letters', 'body', source_name => 'letters')`);
    });

    async function build(...options: string[]) {
      const command = runCommand(["index", "letters", "--now", ...options], on.environment);
      return { code: await command.exited, output: command.stderr() + command.stdout() };
    }

    test("says before how much memory the graph takes, and while it runs that it no longer fits", async () => {
      const { code, output } = await build("--memory", "1MB");
      expect(output).toContain(
        '"public"."letters": the graph of about 2500 vectors takes about 2MB; maintenance_work_mem is 1MB, with up to',
      );
      expect(output).toContain("give it 2MB (--memory 2MB)");
      // So many vectors are in the one megabyte, a few more or less by chance and by the build of pgvector.
      const [, after] = /after (\d+) vectors the graph no longer fits/.exec(output) ?? [];
      expect(Number(after)).toBeGreaterThan(1_000);
      expect(Number(after)).toBeLessThan(2_000);
      expect(code).toBe(0);
    });

    test("says no more than that where the graph fits", async () => {
      const { code, output } = await build("--memory", "64MB");
      expect(output).toContain("takes about 2MB; maintenance_work_mem is 64MB");
      expect(output).not.toContain("fit");
      expect(code).toBe(0);
    });

    test("says what to do where the server has too little shared memory, and the next build succeeds", async () => {
      await on.client.query(`
      create function public.no_shm() returns event_trigger language plpgsql as $$
      begin
        raise exception 'could not resize shared memory segment "/PostgreSQL.1" to 67145728 bytes: No space left on device'
          using errcode = '53100';
      end $$;
      create event trigger no_shm on ddl_command_start when tag in ('CREATE INDEX') execute function public.no_shm()`);
      const restore = () =>
        on.client.query("drop event trigger if exists no_shm; drop function if exists public.no_shm()");
      onTestFinished(() => restore().then(() => undefined));
      const refused = await build();
      expect(refused.code).toBe(1);
      expect(refused.output).toContain("too little shared memory");
      expect(refused.output).toContain("--shm-size");
      await restore();
      expect((await build()).code).toBe(0);
    });
  },
);
