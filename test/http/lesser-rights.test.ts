import { expect, onTestFinished, test } from "vitest";
import { describeNative } from "../support/database.ts";
import { prepare } from "../support/listening.ts";
import { grant, nameIn, role } from "../support/roles.ts";
import { serve } from "../support/serving.ts";

describeNative("The page of a listener with few rights", "needs roles of its own", () => {
  test("The page of a listener with docs/grants.sql alone refuses to pause with the reason, and pauses once it is granted", async () => {
    const { client, database, listen } = await prepare();
    const listenerUrl = await role(client, database.url, "listener");
    await grant(client, nameIn(listenerUrl));
    const http = await serve(await listen({ DATABASE_URL: listenerUrl }), listenerUrl);
    const refused = await http.post("/pause", { source: "patient_embeddings" });
    expect(refused.status).toBe(403);
    expect(await refused.text()).toContain("docs/grants.sql");
    await client.query(`grant update (paused) on autoembed.embedding_source to ${nameIn(listenerUrl)}`);
    expect((await http.post("/pause", { source: "patient_embeddings" })).status).toBe(303);
  });

  test("A listener on a database that takes no writes is not ready, and its metrics say so", async () => {
    const { client, database, listen } = await prepare();
    const readerUrl = await role(client, database.url, "reader");
    await grant(client, nameIn(readerUrl));
    const listener = await listen();
    const settings = { LISTEN_DATABASE_URL: database.url };
    const writable = await serve(listener, readerUrl, settings);
    expect(await (await fetch(new URL("/readyz", writable.url))).text()).toBe("ready\n");
    expect(await (await fetch(new URL("/metrics", writable.url))).text()).toMatch(/^pg_autoembed_up 1$/m);

    // As sessions on a standby are.
    await client.query(`alter role ${nameIn(readerUrl)} set default_transaction_read_only = on`);
    const standby = await serve(listener, readerUrl, settings);
    const answer = await fetch(new URL("/readyz", standby.url));
    expect(answer.status).toBe(503);
    expect(await answer.text()).toContain("takes no writes");
    expect(await (await fetch(new URL("/metrics", standby.url))).text()).toMatch(/^pg_autoembed_up 0$/m);
  });
});

test("A search on the page for a source that was just unwatched says that there is none", async () => {
  const { client, database, listen } = await prepare();
  const http = await serve(await listen(), database.url);
  await client.query(
    "create table if not exists fleeting (id bigint primary key, body text, embedding vector(8)); select autoembed.watch('fleeting', 'body')",
  );
  onTestFinished(async () => {
    await client.query("drop table fleeting");
  });
  await client.query("select autoembed.unwatch('fleeting')");
  const answer = await http.post("/search", { source: "fleeting", query: "anything" });
  expect(answer.status).toBe(200);
  expect(await answer.text()).toContain("No source is called");
});
