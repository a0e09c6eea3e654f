import pg from "pg";
import { expect, onTestFinished } from "vitest";
import { showProgress } from "../../src/backfill/progress.ts";
import { readConfig } from "../../src/config.ts";
import { connect } from "../../src/database/connect.ts";
import {
  changeModel,
  type ModelChangeOptions,
  type ModelChangeReport,
} from "../../src/model-change/change-model.ts";
import { readModelChange } from "../../src/model-change/model-change-state.ts";
import { dropModel } from "../../src/model-change/drop-model.ts";
import { rollBack } from "../../src/model-change/switch.ts";
import { prepare } from "./listening.ts";
import { oracleVector, startProviderServer } from "./provider-server.ts";

export const NEW_DIMENSIONS = 12;
export const NAME = "patient_embeddings";

/**
 * `patient_embeddings` with so many embedded rows, a running listener, and a second provider to change to. A change of
 * the model that is not over when the test ends is undone.
 */
export async function prepareChange(rows: number) {
  const listening = await prepare();
  const { client, database, environment } = listening;
  const theirs = await startProviderServer({ dimensions: NEW_DIMENSIONS });
  onTestFinished(() => theirs.close());
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(async () => {
    const now = await readModelChange(db, NAME);
    // No listener may be left to embed what is still pending for the old model.
    if (now.state === "switched") await rollBack(db, now.live, now.previous, true);
    const after = await readModelChange(db, NAME);
    if (after.state === "building") await dropModel(db, after.next);
    await db.destroy();
  });
  await client.query(
    "insert into patient_embeddings select n, 'text ' || n from generate_series(1, $1::int) n",
    [rows],
  );
  const listener = await listening.listen();
  await listener.whenDrained();
  const config = { ...readConfig(environment), DATABASE_URL: database.url };
  const change = (overrides: Partial<ModelChangeOptions> = {}): Promise<ModelChangeReport> =>
    changeModel(config, NAME, {
      model: {
        backend: "llm_api",
        model: "their-model",
        dimensions: NEW_DIMENSIONS,
        settings: { base_url: theirs.openAiUrl },
      },
      force: false,
      progress: showProgress("none"),
      onStep: () => undefined,
      signal: new AbortController().signal,
      ...overrides,
    });
  return {
    ...listening,
    config,
    listener,
    theirs,
    db,
    change,
    /** Begins the change, and stops it when every row is embedded. */
    begin: async () => {
      const stopping = new AbortController();
      const onStep = (step: string): void => {
        if (step.startsWith("building")) stopping.abort(new Error("stopped after the embedding"));
      };
      await expect(change({ signal: stopping.signal, onStep })).rejects.toThrow(/after the embedding/);
    },
  };
}

/** Rows whose vector is not the new model's for their text. */
export async function notOfTheNewModel(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ patient_id: string; context_text: string; embedding: string | null }>(
    "select patient_id, context_text, embedding from patient_embeddings order by patient_id",
  );
  return rows.flatMap(({ patient_id, context_text, embedding }) => {
    const actual = embedding === null ? null : Float32Array.from(JSON.parse(embedding) as number[]);
    return String(oracleVector(context_text, NEW_DIMENSIONS)) === String(actual) ? [] : [patient_id];
  });
}

export async function vectorColumns(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ column: string }>(
    `select attname || ' ' || format_type(atttypid, atttypmod) as column from pg_attribute
    where attrelid = 'patient_embeddings'::regclass and attname like 'embedding%' order by 1`,
  );
  return rows.map(({ column }) => column);
}
