import pg from "pg";
import pgListen from "pg-listen";
import { embedAsFloats } from "./embed-as-floats.ts";

/** NOTIFY with a key, one request, one update: no queue, no cache, and a missed notification is lost. */
export async function listenBarely(databaseUrl: string, providerUrl: string): Promise<() => Promise<void>> {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 });
  const subscriber = pgListen.default<{ plain: string }>(
    { connectionString: databaseUrl },
    { parse: (payload) => payload },
  );
  subscriber.events.on("error", () => undefined);
  subscriber.notifications.on("plain", (id) => void embedOne(pool, providerUrl, id));
  await subscriber.connect();
  await subscriber.listenTo("plain");
  return async () => {
    await subscriber.close();
    await pool.end();
  };
}

async function embedOne(pool: pg.Pool, providerUrl: string, id: string): Promise<void> {
  const { rows } = await pool.query<{ context_text: string }>(
    "select context_text from plain_embeddings where patient_id = $1",
    [id],
  );
  const [vector] = await embedAsFloats(providerUrl, [rows[0]?.context_text ?? ""]);
  await pool.query("update plain_embeddings set embedding = $1 where patient_id = $2", [
    JSON.stringify(vector),
    id,
  ]);
}
