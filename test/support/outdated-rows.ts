import { oracleVector } from "./oracle-vector.ts";
import { DIMENSIONS, prepare } from "./listening.ts";

/** A setting that the rows with old settings were not embedded with. */
export const NEW_SETTINGS = { OPENAI_EXTRA_BODY: '{"input_type":"document"}' } as const;

/** What is counted of the rows of `prepareOutdatedRows`. */
export const COUNTS = { old_text: 2, old_setting: 3, adopted: 1 } as const;

/**
 * Seven rows of `patient_embeddings`, none queued: 1 and 2 have the vector of an old text, 3 to 5 one of an old setting, 6
 * one of another tool, and 7 the vector that it should have.
 */
export async function prepareOutdatedRows() {
  const listening = await prepare();
  const { client, listen } = listening;
  const embed = async (statement: string, settings: Readonly<Record<string, string>> = {}): Promise<void> => {
    const listener = await listen(settings);
    await client.query(statement);
    await listener.whenDrained();
    await listener.stop();
  };
  await embed("insert into patient_embeddings select n, 'note ' || n from generate_series(1, 5) n");
  await embed("insert into patient_embeddings values (7, 'of the new setting')", NEW_SETTINGS);
  await client.query("insert into patient_embeddings values (6, 'theirs', $1)", [
    JSON.stringify([...oracleVector("theirs", DIMENSIONS)]),
  ]);
  await client.query(`alter table patient_embeddings disable trigger user;
    update patient_embeddings set context_text = 'changed ' || patient_id where patient_id <= 2;
    alter table patient_embeddings enable trigger user`);
  return listening;
}
