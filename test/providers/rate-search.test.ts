import { expect, test } from "vitest";
import { RateSearch } from "../../src/providers/traffic/rate-search.ts";

/** A search that has measured a rate of 1, was refused at `rate` after a long search, and has measured again. */
function afterRefusal(measured: number): { search: RateSearch; refused: number } {
  const search = new RateSearch(undefined);
  search.measured(1);
  accept(search, 200);
  const refused = search.rate ?? 0;
  search.refused();
  search.measured(measured * refused);
  return { search, refused };
}

function accept(search: RateSearch, times: number): void {
  for (let i = 0; i < times; i++) search.accepted();
}

test("Until the first measurement there is no rate, and no request changes that", () => {
  const search = new RateSearch(undefined);
  search.accepted();
  search.refused();
  expect(search.rate).toBeUndefined();
});

test("After a refusal it goes on a little below the refused rate, though the pause made the measured rate lower", () => {
  const { search, refused } = afterRefusal(0.85);
  expect((search.rate ?? 0) / refused).toBeGreaterThan(0.95);
  expect((search.rate ?? 0) / refused).toBeLessThan(1);
});

test("Near the refused rate it is slow: a hundred requests do not reach it, and five hundred exceed it", () => {
  const { search, refused } = afterRefusal(0.95);
  accept(search, 100);
  expect(search.rate).toBeLessThan(refused);
  accept(search, 400);
  expect(search.rate).toBeGreaterThan(refused);
});

test("A rate that was refused twice is neared more slowly than one that was refused once", () => {
  const { search: once, refused } = afterRefusal(0.95);
  const { search: twice } = afterRefusal(0.95);
  twice.refused();
  twice.measured(0.95 * refused);
  accept(once, 300);
  accept(twice, 300);
  expect(once.rate).toBeGreaterThan(refused);
  expect(twice.rate).toBeLessThan(refused);
});

test("A limit that is raised to five times after two refusals is found within two thousand requests", () => {
  const { search, refused } = afterRefusal(0.95);
  search.refused();
  search.measured(0.95 * refused);
  accept(search, 2_000);
  expect((search.rate ?? 0) / refused).toBeGreaterThan(5);
});

test("A limit that is raised to twice as much is found within fifteen hundred requests", () => {
  const { search, refused } = afterRefusal(0.95);
  accept(search, 1_500);
  expect((search.rate ?? 0) / refused).toBeGreaterThan(2);
});

test("A limit that is lowered to a fifth is taken from the measured rate, and the former one is not tried again at once", () => {
  const { search, refused } = afterRefusal(0.2);
  expect((search.rate ?? 0) / refused).toBeLessThan(0.2);
  accept(search, 100);
  expect((search.rate ?? 0) / refused).toBeLessThan(0.3);
});

test("A limit that is lowered to six tenths is taken from the second measured rate", () => {
  const { search, refused } = afterRefusal(0.6);
  expect((search.rate ?? 0) / refused).toBeGreaterThan(0.9);
  search.refused();
  search.measured(0.6 * refused);
  expect((search.rate ?? 0) / refused).toBeLessThan(0.6);
});

test("A rate that is set is never exceeded", () => {
  const search = new RateSearch(2);
  expect(search.rate).toBe(2);
  search.measured(3);
  accept(search, 2_000);
  expect(search.rate).toBe(2);
});
