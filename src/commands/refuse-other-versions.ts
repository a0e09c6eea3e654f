import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import { isSilent } from "../membership/alive.ts";
import { VERSION } from "../version.ts";

/** @throws {SetupError} where a listener of another version runs: earlier ones embed by requests what belongs to a batch */
export async function refuseBesideOtherVersions(db: Database, otherwise = ""): Promise<void> {
  const { rows } = await sql<{ host: string; pid: number; version: string }>`
    select host, pid, version from autoembed.embedding_listener
    where version <> ${VERSION} and not ${isSilent} order by started_at limit 1`.execute(db);
  const [other] = rows;
  if (other === undefined) return;
  throw new SetupError(
    `The listener on ${other.host} (process ${other.pid}) is version ${other.version}, and this command is ${VERSION}: versions without batches would pay for their texts once more.`,
    `Update that listener to ${VERSION}, or stop it, and run this command again.${otherwise}`,
  );
}
