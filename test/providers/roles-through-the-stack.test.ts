import { expect, onTestFinished, test } from "vitest";
import { Events } from "../../src/events.ts";
import { embedWithBisection } from "../../src/providers/isolate/bisect.ts";
import { PROBE_TEXT } from "../../src/providers/isolate/probe-text.ts";
import { providerOfSource } from "../../src/providers/provider-stack.ts";
import { RetryingProvider } from "../../src/providers/retrying-provider.ts";
import { withRequestEvents } from "../../src/providers/with-request-events.ts";
import { refusal, ScriptedProvider, unavailable } from "../support/scripted-provider.ts";

const never = new AbortController().signal;
const budget = { room: () => Promise.resolve() };

/** All layers of a listener's provider around a scripted one. */
function stack(script?: ScriptedProvider["script"]) {
  const scripted = new ScriptedProvider(script);
  const events = new Events();
  const policy = { backoffMs: 1, probeMs: 1 };
  const shared = new RetryingProvider(withRequestEvents(scripted, events), policy);
  onTestFinished(() => shared.close());
  const provider = providerOfSource(
    shared,
    { source: "notes", weight: 1, price: undefined },
    events,
    budget,
    64,
  );
  const sent = () => scripted.calls.map((texts, i) => [scripted.roles[i], ...texts]);
  return { provider, sent, scripted };
}

test("Every layer passes the role on, and the names of both roles, also when a request is sent again", async () => {
  const { provider, sent, scripted } = stack((_texts, call) => {
    if (call === 1) throw unavailable();
  });
  await provider.embed(["chest pain"], "query", never);
  await provider.embed(["chest pain"], "document", never);
  expect(sent()).toEqual([
    ["query", "chest pain"],
    ["query", "chest pain"],
    ["document", "chest pain"],
  ]);
  const { fingerprint, queryFingerprint } = scripted;
  expect(provider).toMatchObject({ fingerprint, queryFingerprint });
});

test("The texts of rows, their halves and the probe are sent as documents", async () => {
  const { provider, sent } = stack((texts) => {
    if (texts.includes("bad")) throw refusal();
  });
  await embedWithBisection(provider, ["bad", "worse", "good", "better"], never, () => undefined);
  await embedWithBisection(provider, ["bad"], never, () => undefined);
  expect(sent()).toContainEqual(["document", PROBE_TEXT]);
  expect(sent().map(([role]) => role)).toEqual(sent().map(() => "document"));
});

test("Where a question keeps failing, the probe that tells whether the provider answers others is a document", async () => {
  const { provider, sent } = stack((texts) => {
    if (!texts.includes(PROBE_TEXT)) throw unavailable();
  });
  await expect(provider.embed(["chest pain"], "query", never)).rejects.toMatchObject({ kind: "row" });
  expect(sent()).toContainEqual(["document", PROBE_TEXT]);
  expect(sent()).not.toContainEqual(["document", "chest pain"]);
  expect(sent()).not.toContainEqual(["query", PROBE_TEXT]);
});
