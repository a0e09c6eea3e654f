import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { examineTriggers } from "../../src/doctor/examine-triggers.ts";
import { loadSources } from "../../src/sources/load-sources.ts";
import { DIMENSIONS, prepare } from "../support/listening.ts";

test("`doctor` finds triggers that are disabled in a partition alone, and says how to enable them", async () => {
  const { client, database } = await prepare();
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  await client.query(`drop schema if exists app cascade; create schema app;
    create table app.visits (id int primary key, what text, embedding vector(${DIMENSIONS})) partition by range (id);
    create table app.visits_1 partition of app.visits for values from (0) to (10) partition by range (id);
    create table app."Visits 2" partition of app.visits_1 for values from (0) to (5);
    select autoembed.watch('app.visits', 'what', source_name => 'visits')`);
  const found = async () => {
    const source = (await loadSources(db)).usable.find(({ name }) => name === "visits");
    if (source === undefined) throw new Error("the source cannot be worked on");
    return await examineTriggers(db, source);
  };
  expect(await found()).toMatchObject([{ level: "ok" }]);
  await client.query(`alter table app."Visits 2" disable trigger user`);
  const [disabled, ...others] = await found();
  expect(others).toEqual([]);
  expect(disabled?.level).toBe("problem");
  expect(disabled?.what).toBe('the triggers are disabled on "app"."Visits 2": changes are not queued.');
  await client.query(disabled?.remedy?.replace(/then: .*$/, "") ?? "");
  expect(await found()).toMatchObject([{ level: "ok" }]);
});
