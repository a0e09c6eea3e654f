import { once } from "node:events";
import { connect } from "node:net";
import createSubscriber from "pg-listen";
import { afterAll, beforeAll, expect, test } from "vitest";
import { frame, int32 } from "../../src/embedded/frames.ts";
import { type EmbeddedPostgres, startEmbedded } from "../../src/embedded/start-embedded.ts";
import { emptySnapshot } from "../support/embedded-database.ts";
import { RawClient, types } from "../support/raw-client.ts";
import { numberOf, withClient } from "../support/with-client.ts";

const SSL_REQUEST = 80877103;
const GSS_REQUEST = 80877104;
const CANCEL_REQUEST = 80877102;

let postgres: EmbeddedPostgres;

beforeAll(async () => {
  postgres = await startEmbedded({ dataDirectory: undefined, snapshot: await emptySnapshot() });
});
afterAll(() => postgres.close());

const count = (table: string) =>
  withClient(postgres.url, (client) => numberOf(client, `select count(*) as n from ${table}`));

test("COPY FROM STDIN stores its data, and a COPY that fails stores nothing", async () => {
  const client = await RawClient.connect(postgres.port);
  await client.query("create table copied (id int primary key, body text)");
  client.send(frame("Q", "copy copied from stdin"));
  expect(types(await client.until("G"))).toBe("G");
  for (let id = 0; id < 1000; id++) client.send(frame("d", Buffer.from(`${id}\trow ${id}\n`)));
  client.send(frame("c"));
  expect(types(await client.untilReady())).toBe("CZ");

  client.send(frame("Q", "copy copied from stdin"));
  await client.until("G");
  client.send(frame("d", Buffer.from("1\tthere already\n")), frame("c"));
  expect(types(await client.untilReady())).toBe("EZ");

  client.send(frame("Q", "copy no_such_table from stdin"));
  await client.until("G");
  client.send(frame("f", "the client gives up"));
  expect(types(await client.untilReady())).toBe("EZ");
  expect(await count("copied")).toBe(1000);
  client.socket.destroy();
});

test("A COPY without data in the extended protocol is an error, and the connection goes on", async () => {
  const client = await RawClient.connect(postgres.port);
  await client.query("create table if not exists uncopied (id int)");
  client.send(
    frame("P", "", "copy uncopied from stdin", Buffer.alloc(2)),
    frame("B", "", "", Buffer.alloc(6)),
    frame("E", "", int32(0)),
    frame("S"),
  );
  expect(types(await client.untilReady())).toBe("12EZ");
  expect(await count("uncopied")).toBe(0);
  client.socket.destroy();
});

test("A query that only mentions COPY in its text is run as a query", async () => {
  await withClient(postgres.url, async (client) => {
    const { rows } = await client.query(
      "select 'x; copy t from stdin' as a, $$;copy t from stdin$$ as b -- ;copy t from stdin",
    );
    expect(rows).toEqual([{ a: "x; copy t from stdin", b: ";copy t from stdin" }]);
  });
});

test("A client that disconnects in a transaction is rolled back, and other clients go on", async () => {
  await withClient(postgres.url, (client) => client.query("create table undone (id int)"));
  const client = await RawClient.connect(postgres.port);
  await client.query("begin; insert into undone values (1)");
  const waiting = count("undone");
  client.socket.destroy();
  expect(await waiting).toBe(0);
});

test("A client that disconnects within a message or before Sync is rolled back, and other clients go on", async () => {
  await withClient(postgres.url, (client) => client.query("create table whole (id int)"));
  const cut = await RawClient.connect(postgres.port);
  cut.socket.write(frame("Q", "insert into whole values (1)").subarray(0, 20));
  const unsynced = await RawClient.connect(postgres.port);
  unsynced.send(
    frame("P", "", "insert into whole values (2)", Buffer.alloc(2)),
    frame("B", "", "", Buffer.alloc(6)),
    frame("E", "", int32(0)),
    frame("H"),
  );
  await unsynced.until("C");
  const waiting = count("whole");
  cut.socket.destroy();
  unsynced.socket.destroy();
  expect(await waiting).toBe(0);
});

test("A statement that is sent before the client's goodbye is run", async () => {
  await withClient(postgres.url, (client) => client.query("create table goodbye (id int)"));
  const client = await RawClient.connect(postgres.port);
  client.send(frame("Q", "insert into goodbye values (1)"), frame("X"));
  await client.closed();
  expect(await count("goodbye")).toBe(1);
});

test.each([
  ["an unknown message", Buffer.from("?\0\0\0\x04")],
  ["an impossible length", Buffer.from("Q\0\0\0\x02")],
])("A client that sends %s loses its own connection only", async (_name, bytes) => {
  const client = await RawClient.connect(postgres.port);
  client.socket.write(bytes);
  expect(types(await client.until("E"))).toBe("E");
  await client.closed();
  expect(await count("pg_class")).toBeGreaterThan(0);
});

test("A client's unnamed statement is kept while other clients use theirs", async () => {
  const one = await RawClient.connect(postgres.port);
  const two = await RawClient.connect(postgres.port);
  for (const [client, word] of [
    [one, "one"],
    [two, "two"],
  ] as const) {
    client.send(frame("P", "", `select '${word}'`, Buffer.alloc(2)), frame("S"));
    expect(types(await client.untilReady())).toBe("1Z");
  }
  for (const [client, word] of [
    [one, "one"],
    [two, "two"],
    [one, "one"],
  ] as const) {
    client.send(frame("B", "", "", Buffer.alloc(6)), frame("E", "", int32(0)), frame("S"));
    const answer = await client.untilReady();
    expect(types(answer)).toBe("2DCZ");
    expect(answer[1]?.toString("latin1")).toContain(word);
  }
  one.socket.destroy();
  two.socket.destroy();
});

test("A request for encryption is declined, and a cancel request stops nothing", async () => {
  for (const code of [SSL_REQUEST, GSS_REQUEST]) {
    const socket = connect(postgres.port, "127.0.0.1");
    socket.write(Buffer.concat([int32(8), int32(code)]));
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(answer.toString()).toBe("N");
    socket.destroy();
  }
  await withClient(postgres.url, async (client) => {
    await client.query("begin");
    const cancel = connect(postgres.port, "127.0.0.1");
    cancel.end(Buffer.concat([int32(16), int32(CANCEL_REQUEST), int32(1), int32(0)]));
    await once(cancel.resume(), "close");
    expect(await numberOf(client, "select 1 as n")).toBe(1);
  });
});

test("A notification reaches every client that listens, at commit, and no other client", async () => {
  const subscriber = createSubscriber.default(
    { connectionString: postgres.url },
    { parse: (payload) => payload },
  );
  const received: unknown[] = [];
  subscriber.notifications.on("news", (payload: unknown) => received.push(payload));
  await subscriber.connect();
  await subscriber.listenTo("news");
  const raw = await RawClient.connect(postgres.port);
  await raw.query('listen "news"; listen "Other news"');
  const silent = await RawClient.connect(postgres.port);

  await withClient(postgres.url, async (client) => {
    await client.query("begin; notify news, 'early'; notify news, 'rolled back'; rollback");
    await client.query("begin; notify news, 'committed'");
    expect(received).toEqual([]);
    await client.query("commit");
    await client.query("unlisten *");
    await client.query("discard all");
    await client.query(`notify "Other news", 'for the raw client'; notify news, 'last'`);
  });
  await expect.poll(() => received).toEqual(["committed", "last"]);
  const frames = [...(await raw.until("A")), ...(await raw.until("A")), ...(await raw.until("A"))];
  expect(frames.map((bytes) => bytes.subarray(9).toString("utf8"))).toEqual([
    "news\0committed\0",
    "Other news\0for the raw client\0",
    "news\0last\0",
  ]);
  expect(types(await silent.query("select 1"))).toBe("TDCZ");
  await subscriber.close();
  raw.socket.destroy();
  silent.socket.destroy();
});

test("A client that announces a first message of more than 10 kB is refused before it is read", async () => {
  const socket = connect(postgres.port, "127.0.0.1");
  const received: Buffer[] = [];
  socket.on("data", (chunk) => received.push(chunk));
  socket.write(Buffer.concat([int32(100_000), int32(3 << 16)]));
  await once(socket, "close", { signal: AbortSignal.timeout(10_000) });
  expect(Buffer.concat(received).toString("latin1")).toContain("invalid message length");
});
