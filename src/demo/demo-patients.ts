import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { syntheticPatients } from "./synthetic-patients.ts";

/** Far above the ids of real patients. */
const FIRST_ID = 9_000_000_000_000;

export const DEMO_PATIENTS = syntheticPatients(240).map(({ patient_id, context_text }) => ({
  patient_id: FIRST_ID + patient_id,
  context_text,
}));

/** An SQL condition that selects exactly the demo's rows. */
export const IS_DEMO_PATIENT = `patient_id > ${FIRST_ID} and patient_id <= ${FIRST_ID + DEMO_PATIENTS.length}`;

export async function insertPatients(db: Database): Promise<void> {
  await db
    .withSchema("public")
    .insertInto("patient_embeddings")
    .values(DEMO_PATIENTS)
    .onConflict((conflict) =>
      conflict
        .column("patient_id")
        .doUpdateSet((row) => ({ context_text: row.ref("excluded.context_text") })),
    )
    .execute();
}

export async function removePatients(db: Database): Promise<void> {
  await db
    .withSchema("public")
    .deleteFrom("patient_embeddings")
    .where(sql.raw<boolean>(IS_DEMO_PATIENT))
    .execute();
}
