import { expect, test } from "vitest";
import { plannedSource } from "../../src/model-change/prepare.ts";
import type { Source } from "../../src/sources/source.ts";

const LIVE: Source = {
  id: 1,
  name: "documents",
  oid: 1,
  schema: "public",
  table: "documents",
  key: [{ name: "id", type: "bigint", operators: "pg_catalog" }],
  hasSingleKeyLookup: true,
  textExpression: "body",
  textIsColumn: true,
  tenantColumn: null,
  hasTenants: false,
  vectorColumn: "embedding",
  vectorTable: null,
  vectorType: "vector",
  vectorSchema: "public",
  columnDimensions: null,
  backend: null,
  model: null,
  dimensions: null,
  settings: {},
  paused: false,
};

test.each([
  ["vector", 768, 1536, "vector"],
  ["vector", 768, 3072, "halfvec"],
  ["halfvec", 3072, 1536, "vector"],
  // Somebody chose these types; HNSW cannot index the second.
  ["halfvec", 768, 1536, "halfvec"],
  ["vector", 3072, 3072, "halfvec"],
  ["vector", 3072, 1536, "vector"],
  ["vector", null, 1536, "vector"],
] as const)(
  "A model change makes a column that HNSW can index: after a %s(%s), for %i dimensions, a %s",
  (vectorType, columnDimensions, dimensions, expected) => {
    const model = { backend: null, model: "another-model", dimensions, settings: {} };
    expect(plannedSource({ ...LIVE, vectorType, columnDimensions }, model)).toMatchObject({
      vectorType: expected,
      columnDimensions: dimensions,
    });
  },
);
