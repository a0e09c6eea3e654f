import { expect, onTestFinished, test, vi } from "vitest";
import { createListener, readConfig, search, unwatch, watch } from "../../src/index.ts";
import { prepare } from "../support/listening.ts";

vi.setConfig({ testTimeout: 180_000 });

test("An application watches its own table, waits for the vectors, and searches it", async () => {
  const { client, database, environment } = await prepare();
  await client.query(`drop schema if exists shop cascade; create schema shop;
    create table shop.products (sku text primary key, description text not null)`);

  const config = { ...readConfig(environment), DATABASE_URL: database.url };
  const { name } = await watch(config, { table: "shop.products", text: "description" });
  const listener = createListener(config);
  onTestFinished(async () => {
    await listener.stop();
  });
  await listener.start();

  await client.query("insert into shop.products values ('a1', 'walking boots'), ('b2', 'rain coat')");
  await listener.whenDrained();
  const [best] = await search(config, "rain coat", { source: name, withText: true });
  expect(best).toMatchObject({ key: "b2", text: "rain coat" });
  expect(best?.distance).toBeCloseTo(0, 5);

  // The same source, with its vectors in their own table from now on.
  const apart = await watch(config, { table: "shop.products", text: "description", into: "product_vectors" });
  expect(apart).toMatchObject({ name, into: "shop.product_vectors", view: "shop.products_with_embedding" });
  await client.query("insert into shop.products values ('c3', 'umbrella')");
  await listener.whenDrained();
  expect(await search(config, "umbrella", { source: name })).toMatchObject([{ key: "c3" }]);

  await expect(search(config, "rain coat")).rejects.toThrow("Several sources");
  await unwatch(config, name);
  await expect(search(config, "rain coat", { source: name })).rejects.toThrow("No source is called");
});
