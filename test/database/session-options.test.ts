import { expect, test } from "vitest";
import { sessionOptions } from "../../src/database/session-options.ts";

const URL_OF_IT = "postgres://me:s%40crt@host:5432/db?sslmode=require";

test("Our session settings follow those of the connection string, which are kept", () => {
  const settings = { jit: "off", enable_sort: "off" };
  expect(sessionOptions(`${URL_OF_IT}&options=-c%20search_path%3Dapp`, settings)).toEqual({
    connectionString: URL_OF_IT,
    options: "-c search_path=app -c jit=off -c enable_sort=off",
  });
});

test.each([URL_OF_IT, "/var/run/postgresql db"])(
  "A connection string without options is left as it is: %s",
  (url) => {
    expect(sessionOptions(url, { jit: "off" })).toEqual({ connectionString: url, options: "-c jit=off" });
  },
);
