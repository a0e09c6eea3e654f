import pg from "pg";

const UNDEFINED_TABLE = "42P01";
const UNDEFINED_COLUMN = "42703";

/** What was read of our tables; nothing where one of them, or a column, is missing: leaving must not need it. */
export async function whereDamaged<T>(read: Promise<readonly T[]>): Promise<readonly T[]> {
  return await read.catch((error: unknown) => {
    if (error instanceof pg.DatabaseError && [UNDEFINED_TABLE, UNDEFINED_COLUMN].includes(error.code ?? ""))
      return [];
    throw error;
  });
}
