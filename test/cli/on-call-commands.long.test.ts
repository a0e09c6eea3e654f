import { expect, test, vi } from "vitest";
import { runCommand } from "../support/command.ts";
import { prepare, type Listening } from "../support/listening.ts";
import { prepareOutdatedRows } from "../support/outdated-rows.ts";

async function run({ environment }: Listening, ...args: string[]) {
  const command = runCommand(args, environment);
  const code = await command.exited;
  return { code, stdout: command.stdout(), stderr: command.stderr() };
}

test(
  "`status --check` exits with 0 while all is well, and with 1 and the reasons when attention is needed",
  { timeout: 180_000 },
  async () => {
    const on = await prepare();
    const alone = await run(on, "status", "--check");
    expect(alone).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("no listener is running") as string,
    });

    // Where a scheduler calls `drain`, none has to run; what waits too long is still seen.
    await on.client.query("insert into patient_embeddings values (1, 'asthma')");
    expect(await run(on, "status", "--check", "--without-listener")).toMatchObject({ code: 0, stderr: "" });
    await on.client.query("select pg_sleep(2)");
    expect(await run(on, "status", "--check", "--without-listener", "--max-age", "1")).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^Needs attention: patient_embeddings: a change has waited .*\n$/,
      ) as string,
    });

    const listener = await on.listen();
    await listener.whenDrained();
    expect(await run(on, "status", "--check")).toMatchObject({ code: 0, stderr: "" });

    on.provider.poison = (text) => text === "unspeakable";
    await on.client.query("insert into patient_embeddings values (2, 'unspeakable')");
    await vi.waitFor(
      async () => {
        const { rowCount } = await on.client.query(
          "select from autoembed.embedding_queue where failed_at is not null",
        );
        expect(rowCount).toBe(1);
      },
      { timeout: 20_000 },
    );
    const failed = await run(on, "status", "--check");
    expect(failed).toMatchObject({ code: 1, stderr: "Needs attention: patient_embeddings: 1 failed\n" });
    expect(failed.stdout).not.toContain("unspeakable");
  },
);

test("`status --watch` draws again until it is stopped", { timeout: 180_000 }, async () => {
  const on = await prepare();
  const watching = runCommand(["status", "--watch"], on.environment);
  await vi.waitFor(
    () => {
      expect(watching.stdout().match(/^source /gm)?.length).toBeGreaterThan(1);
    },
    { timeout: 30_000 },
  );
  watching.process.kill("SIGINT");
  expect(await watching.exited).toBe(0);
});

test("`retry`, `pause` and `resume` change rows and sources as named", { timeout: 180_000 }, async () => {
  const on = await prepare();
  await on.client.query(`insert into patient_embeddings values (1, 'one'), (2, 'two'), (3, 'three');
    update autoembed.embedding_queue set failed_at = now(), last_error = 'refused', attempts = 1`);

  expect(await run(on, "retry", "--key", "2")).toMatchObject({
    code: 0,
    stdout: "1 row is pending again.\n",
  });
  expect(await run(on, "retry", "--key", "2")).toMatchObject({
    code: 1,
    stdout: "0 rows are pending again.\n",
  });
  const misspelled = await run(on, "retry", "--key", "03");
  expect(misspelled).toMatchObject({ code: 1, stdout: "0 rows are pending again.\n" });
  expect(misspelled.stderr).toContain("failed` shows it");
  expect(await run(on, "retry")).toMatchObject({ code: 0, stdout: "2 rows are pending again.\n" });
  const { rows } = await on.client.query(
    "select attempts, last_error from autoembed.embedding_queue where failed_at is null",
  );
  expect(rows).toEqual(Array(3).fill({ attempts: 1, last_error: null }));

  expect(await run(on, "pause", "patient_embeddings")).toMatchObject({ code: 0 });
  expect((await on.client.query("select paused from autoembed.embedding_source")).rows).toEqual([
    { paused: true },
  ]);
  expect(await run(on, "resume", "patient_embeddings")).toMatchObject({ code: 0 });
  expect(await run(on, "pause", "nothing")).toMatchObject({ code: 2 });
  expect(await run(on, "pause")).toMatchObject({ code: 2 });
});

test(
  "`verify` finds vectors that are not the model's, and passes those that are",
  { timeout: 180_000 },
  async () => {
    const on = await prepare();
    const listener = await on.listen();
    await on.client.query(
      "insert into patient_embeddings select i, 'patient ' || i from generate_series(1, 60) i",
    );
    await listener.whenDrained();
    await listener.stop();

    const same = await run(on, "verify", "--sample", "40", "--json");
    expect(JSON.parse(same.stdout)).toMatchObject([
      { source: "patient_embeddings", sampled: 40, drifted_rows: 0, ok: true, overlap: { mean: 1 } },
    ]);
    expect(same.code).toBe(0);

    await on.client.query(
      "update patient_embeddings p set embedding = o.embedding from patient_embeddings o where p.patient_id = 17 and o.patient_id = 18",
    );
    const drifted = await run(on, "verify", "--sample", "60");
    expect(drifted.code).toBe(1);
    expect(drifted.stdout).toMatch(/DRIFTED[\s\S]+1 rows differ[\s\S]+key 17 {2}cosine/);
    expect(drifted.stdout).not.toContain("patient 1");

    // Its cosine is no number.
    await on.client.query(
      "update patient_embeddings set embedding = '[0,0,0,0,0,0,0,0]' where patient_id = 17",
    );
    const zeroed = await run(on, "verify", "--sample", "60");
    expect(zeroed.code).toBe(1);
    expect(zeroed.stdout).toContain("key 17  cosine 0.00000");
  },
);

test(
  "`doctor` finds a disabled trigger, a missing trigger and a provider that refuses, each with its remedy",
  { timeout: 90_000 },
  async () => {
    const on = await prepare();
    await on.listen();
    const findings = async () => {
      const { code, stdout } = await run(on, "doctor", "--json");
      const found = JSON.parse(stdout) as { level: string; what: string; remedy?: string }[];
      return { code, problems: found.filter(({ level }) => level === "problem"), found };
    };
    const well = await findings();
    expect(well.problems).toEqual([]);
    expect(well.code).toBe(0);
    expect(well.found.map(({ what }) => what).join("\n")).toMatch(
      /A notification arrives[\s\S]+vectors of 8 dimensions/,
    );

    await on.client.query(`alter table patient_embeddings disable trigger autoembed_1_update`);
    on.provider.apiKey = "another";
    const ill = await findings();
    await on.client.query(`alter table patient_embeddings enable trigger autoembed_1_update`);
    expect(ill.code).toBe(1);
    expect(ill.problems).toEqual([
      {
        level: "problem",
        what: expect.stringContaining("triggers are disabled") as string,
        remedy: expect.stringContaining(
          'alter table "public"."patient_embeddings" enable trigger autoembed_1_update;',
        ) as string,
      },
      {
        level: "problem",
        what: expect.stringContaining("401") as string,
        remedy: expect.any(String) as string,
      },
    ]);

    await on.client.query("drop trigger autoembed_1_delete on patient_embeddings");
    const missing = await findings();
    expect(missing.problems[0]?.what).toContain("autoembed_1_delete missing");
    const [remedy = ""] = missing.problems[0]?.remedy?.split(";") ?? [];
    await on.client.query(remedy);
    on.provider.apiKey = undefined;
    expect((await findings()).problems).toEqual([]);
  },
);

test(
  "`doctor` warns of rows of an old text and of an old setting with the command that embeds them, and that is no error",
  { timeout: 180_000 },
  async () => {
    const on = await prepareOutdatedRows();
    const ofVectors = async () => {
      const { code, stdout } = await run(on, "doctor", "--json");
      const found = JSON.parse(stdout) as { level: string; what: string; remedy?: string }[];
      return {
        code,
        found: found.filter(({ what }) => / vector of an old | waits for a backfill/.test(what)),
      };
    };
    expect(await ofVectors()).toEqual({
      code: 0,
      found: [
        {
          level: "warning",
          what: "patient_embeddings: 2 rows have the vector of an old text, 3 rows have a vector of an old model or setting.",
          remedy: "npm run backfill -- --source patient_embeddings",
        },
      ],
    });
    await on.client.query("delete from patient_embeddings where patient_id <> 6 and patient_id <> 2");
    expect((await ofVectors()).found).toMatchObject([
      { level: "warning", what: "patient_embeddings: 1 row has the vector of an old text." },
    ]);
    await on.client.query("delete from patient_embeddings where patient_id <> 6");
    expect((await ofVectors()).found).toEqual([
      {
        level: "ok",
        what: "patient_embeddings: no row waits for a backfill",
      },
    ]);
  },
);
