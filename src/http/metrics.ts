import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Listener } from "../listener/listener.ts";
import type { SourceSample } from "../status/sample-sources.ts";
import { VERSION } from "../version.ts";

const REQUEST_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const WRITE_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const FRESHNESS_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800, 7200];
const STATES = ["closed", "throttled", "open"] as const;

/**
 * The metrics that Prometheus reads. Gauges per source describe the whole database and are the same from every listener;
 * counters and histograms describe this process. Labels are names of sources and models, never a key or a text.
 */
export function createMetrics(
  listener: Pick<Listener, "events" | "describeProviders" | "isListening">,
  sample: () => Promise<readonly SourceSample[]>,
): Registry {
  const registry = new Registry();
  const registers = [registry];
  const name = (rest: string): string => `pg_autoembed_${rest}`;
  const counter = <T extends string>(rest: string, help: string, labelNames: readonly T[]): Counter<T> =>
    new Counter({ name: name(rest), help, labelNames, registers });
  const gauge = <T extends string>(rest: string, help: string, labelNames: readonly T[]): Gauge<T> =>
    new Gauge({ name: name(rest), help, labelNames, registers });
  const histogram = <T extends string>(
    rest: string,
    help: string,
    labelNames: readonly T[],
    buckets: number[],
  ) => new Histogram({ name: name(rest), help, labelNames, buckets, registers });

  collectDefaultMetrics({ register: registry });
  gauge("info", "Always 1; the version of pg-autoembed in its label.", ["version"]).set(
    { version: VERSION },
    1,
  );

  countEvents(listener, counter, histogram);
  new Gauge({
    name: name("listening"),
    help: "1 while notifications arrive, 0 while only the poll finds changes.",
    registers,
    collect() {
      // It has been listening since before these metrics were there.
      this.set(listener.isListening ? 1 : 0);
    },
  });

  const pending = gauge("pending_rows", "Rows that wait for a listener.", ["source"]);
  const oldest = gauge("oldest_pending_seconds", "Age of the oldest change that has no vector yet.", [
    "source",
  ]);
  const inFlight = gauge("in_flight_rows", "Rows claimed by a listener, in any process.", ["source"]);
  const failed = gauge(
    "failed_rows",
    "Failed rows: they wait until their text changes or they are retried.",
    ["source"],
  );
  const batched = gauge("batch_texts", "Texts in batches at the provider, or being made or written.", [
    "source",
  ]);
  const paused = gauge("paused", "1 while the source is paused.", ["source"]);
  const state = gauge("provider_state", "1 for the state that the provider is in.", [
    "backend",
    "model",
    "state",
  ]);
  new Gauge({
    name: name("up"),
    help: "1 when the database takes writes and answered the gauges' queries, 0 when the gauges are missing.",
    registers,
    async collect() {
      for (const one of [pending, oldest, inFlight, failed, batched, paused, state]) one.reset();
      for (const { backend, model, state: now } of listener.describeProviders()) {
        for (const each of STATES) state.set({ backend, model, state: each }, each === now ? 1 : 0);
      }
      try {
        for (const each of await sample()) {
          const labels = { source: each.name };
          pending.set(labels, each.pending);
          oldest.set(labels, each.oldest_pending_seconds ?? 0);
          inFlight.set(labels, each.in_flight);
          failed.set(labels, each.failed);
          batched.set(labels, each.batch_texts);
          paused.set(labels, each.paused ? 1 : 0);
        }
        this.set(1);
      } catch {
        this.set(0);
      }
    },
  });
  return registry;
}

type MakeCounter = <T extends string>(rest: string, help: string, labels: readonly T[]) => Counter<T>;
type MakeHistogram = <T extends string>(
  rest: string,
  help: string,
  labels: readonly T[],
  buckets: number[],
) => Histogram<T>;

function countEvents(
  { events }: Pick<Listener, "events">,
  counter: MakeCounter,
  histogram: MakeHistogram,
): void {
  const embedded = counter("embedded_rows_total", "Rows whose vector a provider made.", ["source"]);
  const cached = counter("cached_rows_total", "Rows whose vector came from another row or the cache.", [
    "source",
  ]);
  const failures = counter("failures_total", "Rows that failed, by kind.", ["source", "kind"]);
  const truncated = counter("truncated_rows_total", "Rows whose text was cut to the model's limit.", [
    "source",
  ]);
  const tokens = counter("tokens_total", "Tokens that the provider reports as charged.", ["source"]);
  const requests = counter("requests_total", "Requests to a provider, including retries, by outcome.", [
    "backend",
    "model",
    "outcome",
  ]);
  const request = histogram(
    "request_seconds",
    "One request to a provider, from its start to the last byte of the answer.",
    ["backend", "model"],
    REQUEST_SECONDS,
  );
  const write = histogram("write_seconds", "One write-back of a batch.", ["source"], WRITE_SECONDS);
  const freshness = histogram(
    "freshness_seconds",
    "From the change of a text to the commit of its vector.",
    ["source"],
    FRESHNESS_SECONDS,
  );
  for (const [event, rowsOf] of [["embedded", embedded] as const, ["cached", cached] as const]) {
    events.on(event, ({ source, rows, writeMs, freshnessMs }) => {
      rowsOf.inc({ source }, rows);
      write.observe({ source }, writeMs / 1000);
      for (const age of freshnessMs) freshness.observe({ source }, age / 1000);
    });
  }
  events.on("failed", ({ source, kind, rows }) => {
    failures.inc({ source, kind }, rows);
  });
  events.on("truncated", ({ source, rows }) => {
    truncated.inc({ source }, rows);
  });
  events.on("answered", ({ source, tokens: charged }) => {
    tokens.inc({ source }, charged);
  });
  events.on("requested", ({ backend, model, outcome, milliseconds }) => {
    requests.inc({ backend, model, outcome });
    request.observe({ backend, model }, milliseconds / 1000);
  });
}
