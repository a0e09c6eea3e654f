import { expect, test } from "vitest";
import { sessionOptions } from "../../src/database/session-options.ts";

const CONNECTION_URL = "postgres://me:s%40crt@host:5432/db?sslmode=require";

test("Our session settings follow those of the connection string, which are kept", () => {
  const settings = { jit: "off", enable_sort: "off" };
  expect(sessionOptions(`${CONNECTION_URL}&options=-c%20search_path%3Dapp`, settings)).toEqual({
    connectionString: CONNECTION_URL,
    options: "-c search_path=app -c jit=off -c enable_sort=off",
  });
});

test.each([CONNECTION_URL, "/var/run/postgresql db"])(
  "A connection string without options is left as it is: %s",
  (url) => {
    expect(sessionOptions(url, { jit: "off" })).toEqual({ connectionString: url, options: "-c jit=off" });
  },
);
