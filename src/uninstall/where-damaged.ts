import pg from "pg";
import { UNDEFINED_COLUMN, UNDEFINED_TABLE } from "../sqlstate.ts";

/** What was read of our tables; where one of them, or a column, is missing, what is then so: leaving must not need it. */
export async function whereDamaged<T>(read: Promise<T>, otherwise: T): Promise<T> {
  return await read.catch((error: unknown) => {
    if (error instanceof pg.DatabaseError && [UNDEFINED_TABLE, UNDEFINED_COLUMN].includes(error.code ?? ""))
      return otherwise;
    throw error;
  });
}
