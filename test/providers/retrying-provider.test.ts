import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { RetryingProvider, type ProviderState } from "../../src/providers/retrying-provider.ts";
import { embedWithBisection } from "../../src/providers/isolate/bisect.ts";
import type { EmbedResult } from "../../src/providers/isolate/embed-result.ts";
import { PROBE_TEXT } from "../../src/providers/isolate/probe-text.ts";
import { ProviderError } from "../../src/providers/provider-error.ts";
import type { Embeddings } from "../../src/providers/provider.ts";
import type { RetryPolicy } from "../../src/providers/retry-policy.ts";
import { refusal, ScriptedProvider, unavailable } from "../support/scripted-provider.ts";
import { simulateDrain } from "../support/simulate-drain.ts";

const never = new AbortController().signal;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance", "Date"] });
});
afterEach(() => {
  vi.useRealTimers();
});

function retrying(script: ScriptedProvider["script"], policy?: Partial<RetryPolicy>) {
  const inner = new ScriptedProvider(script);
  const provider = new RetryingProvider(inner, policy);
  const states: ProviderState["name"][] = [];
  provider.on("state", ({ name }) => {
    if (states.at(-1) !== name) states.push(name);
  });
  return { inner, provider, states };
}

/** Lets fake time pass until the promise is settled. */
async function settle<T>(promise: Promise<T>): Promise<T> {
  const settled = { yes: false };
  const done = (): void => {
    settled.yes = true;
  };
  promise.then(done, done);
  for (let i = 0; !settled.yes && i < 10_000; i++) await vi.advanceTimersByTimeAsync(100);
  return await promise;
}

function failing(fault: ProviderError, calls: number): ScriptedProvider["script"] {
  return (_texts, call) => {
    if (call <= calls) throw fault;
  };
}

describe("A provider that fails for a moment is asked again", () => {
  test("A request that fails for a moment is sent again until it is answered", async () => {
    const { inner, provider } = retrying(failing(unavailable(), 2));
    const retries: number[] = [];
    provider.on("retry", ({ attempt }) => void retries.push(attempt));
    await settle(provider.embed(["a"], "document", never));
    expect(inner.calls).toHaveLength(3);
    expect(retries).toEqual([1, 2]);
    expect(provider.state.name).toBe("closed");
  });

  test("A provider is not asked again before the time that it named", async () => {
    const fault = new ProviderError("unavailable", "later", { status: 503, retryAfterMs: 7000 });
    const at: number[] = [];
    const { provider } = retrying((_texts, call) => {
      at.push(performance.now());
      if (call === 1) throw fault;
    });
    await settle(provider.embed(["a"], "document", never));
    expect((at[1] ?? 0) - (at[0] ?? 0)).toBeGreaterThanOrEqual(7000);
  });

  test("Waiting for a retry stops at once when the call is aborted", async () => {
    const { provider } = retrying(
      failing(new ProviderError("unavailable", "later", { retryAfterMs: 50_000 }), 1),
    );
    const controller = new AbortController();
    const call = provider.embed(["a"], "document", controller.signal);
    await vi.advanceTimersByTimeAsync(1000);
    controller.abort(new Error("stop"));
    await expect(call).rejects.toThrow("stop");
  });
});

describe("An outage opens the circuit and fails no text", () => {
  test("An outage opens the circuit after a few failures, releases all texts, and fails none", async () => {
    const { inner, provider, states } = retrying(() => {
      throw unavailable();
    });
    const calls = Array.from({ length: 4 }, (_, i) => provider.embed([`text ${i}`], "document", never));
    const outcomes = await settle(Promise.allSettled(calls));
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { kind: "unavailable" } });
    }
    expect(states).toEqual(["open"]);
    expect(inner.calls.length).toBeLessThanOrEqual(8);
    const asked = inner.calls.length;
    await expect(provider.embed(["b"], "document", never)).rejects.toMatchObject({ kind: "unavailable" });
    expect(inner.calls).toHaveLength(asked);
    await provider.close();
  });

  test("An outage is probed with growing pauses by a harmless text, and is over within one pause of its end", async () => {
    // The middle of the jitter: how far into a pause the outage ends must not be a matter of luck.
    const random = vi.spyOn(Math, "random").mockReturnValue(0.5);
    onTestFinished(() => {
      random.mockRestore();
    });
    let isDown = true;
    const probes: number[] = [];
    const { provider, states } = retrying((texts) => {
      if (texts[0] === PROBE_TEXT) probes.push(performance.now());
      if (isDown) throw unavailable();
    });
    const startedAt = performance.now();
    await settle(provider.embed(["a"], "document", never)).catch(() => undefined);
    const ready = provider.ready(never).then(() => performance.now());
    await vi.advanceTimersByTimeAsync(12_000 - (performance.now() - startedAt));
    isDown = false;
    const backAt = performance.now();
    const readyAt = await settle(ready);
    const pauses = probes.slice(1).map((at, i) => at - (probes[i] ?? 0));
    expect(readyAt - backAt).toBeLessThanOrEqual(pauses.at(-1) ?? 0);
    expect(pauses.length).toBeLessThan(12);
    expect(readyAt - backAt).toBeLessThan(6_000);
    expect(states).toEqual(["open", "closed"]);
    expect((await settle(provider.embed(["a"], "document", never))).vectors.count).toBe(1);
  });

  test("Two probes in an outage are never further apart than the longest pause", async () => {
    const probes: number[] = [];
    const { provider } = retrying(() => {
      probes.push(performance.now());
      throw unavailable();
    });
    await settle(provider.embed(["a"], "document", never)).catch(() => undefined);
    probes.length = 0;
    await vi.advanceTimersByTimeAsync(600_000);
    const pauses = probes.slice(1).map((at, i) => at - (probes[i] ?? 0));
    expect(Math.max(...pauses)).toBeLessThanOrEqual(30_000);
    expect(probes.length).toBeGreaterThan(20);
    await provider.close();
  });

  test("An outage is over when a request that was in flight is answered", async () => {
    let answer: () => void = () => undefined;
    const { provider, states } = retrying(
      (texts) => {
        if (texts[0] === "slow") return new Promise((resolve) => (answer = resolve));
        throw unavailable();
      },
      { maxRetries: 0 },
    );
    const slow = provider.embed(["slow"], "document", never);
    await settle(provider.embed(["a"], "document", never)).catch(() => undefined);
    expect(provider.state.name).toBe("open");
    answer();
    await settle(slow);
    expect(states).toEqual(["open", "closed"]);
  });

  test("A text without retries that fails as an outage ends is sent again and embedded", async () => {
    const { inner, provider } = retrying(
      failing(new ProviderError("unavailable", "broken", { status: 500 }), 1),
      { maxRetries: 0 },
    );
    const { vectors } = await settle(provider.embed(["a"], "document", never));
    expect(vectors.count).toBe(1);
    // The failure, the probe that was answered, and the text again.
    expect(inner.calls).toHaveLength(3);
  });
});

describe("A wrong setup opens the circuit", () => {
  test("A wrong setup opens the circuit at once, reports why, and closes it once the setup is right", async () => {
    let isWrong = true;
    const { inner, provider } = retrying(() => {
      if (isWrong) throw new ProviderError("setup", "Check OPENAI_API_KEY.", { status: 401 });
    });
    await expect(settle(provider.embed(["a"], "document", never))).rejects.toMatchObject({ kind: "setup" });
    expect(provider.state).toMatchObject({ name: "open", error: { message: "Check OPENAI_API_KEY." } });
    expect(inner.calls).toHaveLength(2);
    isWrong = false;
    await settle(provider.ready(never));
    expect(provider.state.name).toBe("closed");
  });
});

describe("A text at which the server breaks down is found", () => {
  test.each([
    [300, 400],
    [300, 500],
    [1500, 400],
    [1500, 500],
    [300, 403],
    [1500, 451],
  ])(
    "One such text among 64, with the server down for %d ms each time and answering %d, fails alone within a minute",
    async (downMs, status) => {
      let downUntil = 0;
      const { provider } = retrying(async (texts) => {
        await new Promise((resolve) => setTimeout(resolve, 20));
        if (texts.includes("CRASH")) downUntil = performance.now() + downMs;
        if (performance.now() >= downUntil) return;
        const kind = status === 400 ? "row" : status < 500 ? "setup" : "unavailable";
        throw new ProviderError(kind, "EOF", { status });
      });
      const pending = new Set(Array.from({ length: 64 }, (_, i) => (i === 37 ? "CRASH" : `text ${i}`)));
      const refused: string[] = [];
      const startedAt = performance.now();
      const drain = async (): Promise<number> => {
        while (pending.size > 0) {
          await provider.ready(never);
          const texts = [...pending];
          const done = (result: EmbedResult): void => {
            for (const i of result.kind === "refused" ? [result.index] : result.indices) {
              pending.delete(texts[i] ?? "");
              if (result.kind === "refused") refused.push(texts[i] ?? "");
            }
          };
          await embedWithBisection(provider, texts, never, done).catch(() => undefined);
        }
        return performance.now() - startedAt;
      };
      expect(await settle(drain())).toBeLessThan(60_000);
      expect(refused).toEqual(["CRASH"]);
    },
  );

  test("The neighbours of a text that is answered 500 are embedded within three seconds", async () => {
    const { provider } = retrying((texts) => {
      if (texts.includes("bad")) throw unavailable();
    });
    const texts = Array.from({ length: 64 }, (_, i) => (i === 20 ? "bad" : `text ${i}`));
    const startedAt = performance.now();
    let lastAt = 0;
    let embedded = 0;
    const done = (result: EmbedResult): void => {
      if (result.kind !== "embedded") return;
      embedded += result.indices.length;
      lastAt = performance.now();
    };
    await settle(embedWithBisection(provider, texts, never, done));
    expect(embedded).toBe(63);
    expect(lastAt - startedAt).toBeLessThan(3_000);
  });

  test("A provider that answers one request in twenty for ten minutes fails no text", async () => {
    let seed = 7;
    const random = (): number => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
    const until = performance.now() + 600_000;
    const script = (): void => {
      if (performance.now() < until && random() > 0.05) throw unavailable();
    };
    const { provider } = retrying(script, { maxProbeMs: 1_000 });
    const refused: unknown[] = [];
    for (let row = 0; performance.now() < until; row++) {
      const pending = { is: true };
      const done = ({ kind }: EmbedResult): void => {
        pending.is = false;
        if (kind === "refused") refused.push(row);
      };
      while (pending.is) {
        await settle(provider.ready(never));
        await settle(embedWithBisection(provider, [`text ${row}`], never, done)).catch(() => undefined);
      }
    }
    expect(refused).toEqual([]);
  });

  test("Equal texts in flight when the provider goes away are not refused when it is back", async () => {
    let isDown = false;
    const { provider } = retrying(async () => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      if (isDown) throw unavailable();
    });
    isDown = true;
    const calls = Array.from({ length: 4 }, () => provider.embed(["knee pain"], "query", never));
    await settle(Promise.allSettled(calls));
    isDown = false;
    await settle(provider.ready(never));
    expect((await settle(provider.embed(["knee pain"], "query", never))).vectors.count).toBe(1);
  });

  test("A batch that a busy server refuses waits before it is sent again", async () => {
    let busyUntil = 0;
    const { inner, provider } = retrying((texts) => {
      if (texts.length > 1 && performance.now() < busyUntil)
        throw new ProviderError("unavailable", "busy", { status: 503, retryAfterMs: 5_000 });
    });
    busyUntil = performance.now() + 4_000;
    await settle(provider.embed(["a", "b", "c", "d"], "document", never));
    expect(inner.calls.filter((texts) => texts.length > 1)).toHaveLength(2);
  });

  test("A caller that is aborted while it waits for its turn among suspects is free at once", async () => {
    let isDown = true;
    let answer: () => void = () => undefined;
    const { provider } = retrying(
      (texts) => {
        if (isDown) throw unavailable();
        return texts[0] === "slow" ? new Promise((resolve) => (answer = resolve)) : undefined;
      },
      { maxRetries: 0 },
    );
    for (const text of ["slow", "waits"])
      await settle(provider.embed([text], "document", never)).catch(() => undefined);
    isDown = false;
    await settle(provider.ready(never));
    const slow = provider.embed(["slow"], "document", never);
    await vi.advanceTimersByTimeAsync(100);
    const controller = new AbortController();
    const waits = provider.embed(["waits"], "document", controller.signal);
    controller.abort(new Error("stop"));
    await expect(waits).rejects.toThrow("stop");
    answer();
    await settle(slow);
    expect((await settle(provider.embed(["waits"], "document", never))).vectors.count).toBe(1);
  });

  test("An outage of a moment in which everything is refused fails no text", async () => {
    const { provider } = retrying(async () => {
      await new Promise((resolve) => setTimeout(resolve, 10));
      if (performance.now() < until) throw refusal();
    });
    const until = performance.now() + 300;
    const pending = new Set(Array.from({ length: 64 }, (_, i) => `text ${i}`));
    const drain = async (): Promise<void> => {
      while (pending.size > 0) {
        await provider.ready(never);
        const texts = [...pending];
        await embedWithBisection(provider, texts, never, (result) => {
          expect(result.kind).toBe("embedded");
          if (result.kind === "embedded") for (const i of result.indices) pending.delete(texts[i] ?? "");
        }).catch(() => undefined);
      }
    };
    await settle(drain());
  });
});

describe("A stop ends every wait", () => {
  test.each([
    [
      "a pause for throttling",
      new ProviderError("throttled", "slower", { status: 429, retryAfterMs: 60_000 }),
    ],
    [
      "a pause before a retry",
      new ProviderError("unavailable", "later", { status: 503, retryAfterMs: 60_000 }),
    ],
    ["an open circuit", new ProviderError("setup", "wrong key", { status: 401 })],
  ])("A stop during %s ends it at once, and nothing is sent any more", async (_name, fault) => {
    const { inner, provider } = retrying(() => {
      throw fault;
    });
    const call = provider.embed(["a"], "document", never).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(500);
    const sent = inner.calls.length;
    provider.stop();
    expect(await call).toBeInstanceOf(ProviderError);
    await expect(provider.embed(["b"], "document", never)).rejects.toBeInstanceOf(ProviderError);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(inner.calls).toHaveLength(sent);
  });
});

describe("A failure that follows a text is told apart from a wrong setup", () => {
  test.each([
    ["the server breaks at the text", unavailable()],
    ["a firewall refuses the text", new ProviderError("setup", "403", { status: 403 })],
  ])("A failure of one text alone is the row's own: %s", async (_name, fault) => {
    const { provider, states } = retrying((texts) => {
      if (texts.includes("bad")) throw fault;
    });
    await expect(settle(provider.embed(["bad"], "document", never))).rejects.toMatchObject({ kind: "row" });
    expect(states).toEqual([]);
    expect((await settle(provider.embed(["good"], "document", never))).vectors.count).toBe(1);
  });

  test("A text that the provider refuses fails with the provider's own answer, once a harmless text was answered", async () => {
    const { inner, provider } = retrying(failing(refusal(), 1));
    await expect(settle(provider.embed(["bad"], "document", never))).rejects.toMatchObject({
      kind: "row",
      status: 400,
    });
    expect(inner.calls).toEqual([["bad"], [PROBE_TEXT]]);
  });

  test.each([400, 413, 422])(
    "A provider that answers %d to everything gets few requests, fails no text, and is told of once",
    async (status) => {
      const refused: number[] = [];
      const { provider, states } = retrying(() => {
        refused.push(performance.now());
        throw new ProviderError("row", "misconfigured", { status });
      });
      const texts = Array.from({ length: 64 }, (_, i) => `text ${i}`);
      const until = performance.now() + 60_000;
      const results: string[] = [];
      const lane = async (): Promise<void> => {
        while (performance.now() < until) {
          await provider.ready(never);
          await embedWithBisection(provider, texts, never, ({ kind }) => void results.push(kind)).catch(
            () => undefined,
          );
        }
      };
      for (let i = 0; i < 4; i++) void lane();
      await vi.advanceTimersByTimeAsync(60_000);
      expect(results).toEqual([]);
      expect(refused.length - 1).toBeLessThanOrEqual(10);
      expect(states).toEqual(["open"]);
      expect(provider.state.error).toMatchObject({ kind: "setup" });
      await provider.close();
    },
  );

  test("A refusal of the harmless text is reported as a wrong setup", async () => {
    const { provider } = retrying(() => {
      throw refusal();
    });
    await expect(settle(provider.embed([PROBE_TEXT], "document", never))).rejects.toMatchObject({
      kind: "setup",
    });
  });
});

describe("Throttling slows requests down and fails no text", () => {
  const slower = (retryAfterMs?: number): ProviderError =>
    new ProviderError("throttled", "slower", { status: 429, retryAfterMs });

  test("Throttling pauses every request for the time that the provider named, and fails no text", async () => {
    const at: number[] = [];
    const { provider, states } = retrying((_texts, call) => {
      at.push(performance.now());
      if (call === 1) throw slower(20_000);
    });
    await settle(Promise.all([provider.embed(["a"], "document", never), settleLater(provider, "b")]));
    expect((at[1] ?? 0) - (at[0] ?? 0)).toBeGreaterThanOrEqual(20_000);
    expect(at).toHaveLength(3);
    expect(states).toEqual(["throttled", "closed"]);
  });

  test("One request is sent after a pause for throttling, not all of them", async () => {
    let inFlight = 0;
    let most = 0;
    const { inner, provider } = retrying(async (_texts, call) => {
      inFlight++;
      if (call > 4 && call <= 8) most = Math.max(most, inFlight);
      await new Promise((resolve) => setTimeout(resolve, 1000));
      inFlight--;
      if (call <= 8) throw slower(5000);
    });
    const calls = Array.from({ length: 4 }, (_, i) => provider.embed([`text ${i}`], "document", never));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(inner.calls.length).toBeGreaterThanOrEqual(8);
    expect(most).toBe(1);
    await settle(Promise.all(calls));
  });

  test.each([undefined, 0, 1])(
    "A provider that throttles everything and names %s ms as the pause gets few requests",
    async (ms) => {
      const { inner, provider } = retrying(() => {
        throw slower(ms);
      });
      const calls = Array.from({ length: 4 }, (_, i) =>
        provider.embed([`text ${i}`], "document", never).catch(() => undefined),
      );
      await vi.advanceTimersByTimeAsync(60_000);
      expect(inner.calls.length - 1).toBeLessThanOrEqual(10);
      provider.stop();
      await Promise.all(calls);
    },
  );

  test("The first refusal halves the requests in flight, and stale refusals do not halve them again", async () => {
    const { provider } = retrying(async (_texts, call) => {
      await new Promise((resolve) => setTimeout(resolve, 10));
      if (call <= 4) throw slower(1000);
    });
    const calls = Array.from({ length: 4 }, (_, i) => provider.embed([`text ${i}`], "document", never));
    await vi.advanceTimersByTimeAsync(20);
    expect(provider.concurrency).toBe(2);
    await settle(Promise.all(calls));
  });

  test("No request is sent before the reset when an answer says that nothing is left of the limit", async () => {
    const at: number[] = [];
    const { provider } = retrying((_texts, call, options) => {
      at.push(performance.now());
      if (call === 1)
        options?.onReceived?.({ remainingRequests: 0, limitRequests: 1, resetRequestsMs: 7000 });
    });
    await settle(provider.embed(["a"], "document", never));
    await settle(provider.embed(["b"], "document", never));
    expect((at[1] ?? 0) - (at[0] ?? 0)).toBeGreaterThanOrEqual(7000);
  });

  test("A throttled text is released when the time for retries is over", async () => {
    const { provider } = retrying(
      () => {
        throw slower(30_000);
      },
      { maxWaitMs: 60_000 },
    );
    await expect(settle(provider.embed(["a"], "document", never))).rejects.toMatchObject({
      kind: "throttled",
    });
  });

  test("A pause never exceeds the longest one that is set, whatever the provider asks for", async () => {
    const { provider } = retrying(failing(slower(86_400_000), 1), { maxPauseMs: 10_000 });
    const startedAt = performance.now();
    await settle(provider.embed(["a"], "document", never));
    expect(performance.now() - startedAt).toBeLessThan(11_000);
  });

  test("Requests are sent in the order of their arrival", async () => {
    const { inner, provider } = retrying(() => new Promise((resolve) => setTimeout(resolve, 10)), {
      maxConcurrency: 1,
    });
    const names = ["a", "b", "c", "d"];
    await settle(Promise.all(names.map((name) => provider.embed([name], "document", never))));
    expect(inner.calls).toEqual(names.map((name) => [name]));
  });

  test("The requests per minute and the tokens per minute that are set are kept", async () => {
    const at: number[] = [];
    const { provider } = retrying(() => void at.push(performance.now()), { requestsPerMinute: 60 });
    await settle(
      Promise.all(Array.from({ length: 30 }, (_, i) => provider.embed([`text ${i}`], "document", never))),
    );
    expect((at.at(-1) ?? 0) - (at[0] ?? 0)).toBeGreaterThan(26_000);

    const tokens = retrying(() => undefined, { tokensPerMinute: 1000 });
    const startedAt = performance.now();
    const text = "x".repeat(400);
    await settle(
      Promise.all(Array.from({ length: 5 }, () => tokens.provider.embed([text], "document", never))),
    );
    expect(performance.now() - startedAt).toBeGreaterThan(10_000);
  });
});

/** A minute of the provider's limit is a minute of fake time. */
describe("Draining against a rate limit takes little longer than the limit makes it", () => {
  const limits = [
    { requests: 600, windowMs: 60_000, drained: 3000 },
    { requests: 3000, windowMs: 60_000, drained: 9000 },
    { requests: 120, windowMs: 60_000, drained: 600 },
  ];
  const shapes = [
    { kind: "fixed", says: "retry-after", headers: false },
    { kind: "fixed", says: "retry-after-ms", headers: true },
    { kind: "fixed", says: "date", headers: false },
    { kind: "fixed", says: "nothing", headers: false },
    { kind: "bucket", says: "retry-after", headers: false },
    { kind: "bucket", says: "retry-after-ms", headers: true },
    { kind: "bucket", says: "nothing", headers: false },
  ] as const;

  for (const { drained, ...limit } of limits) {
    test.each(shapes)(
      `Draining against ${limit.requests} requests per minute ($kind, says $says, headers $headers) takes under 110 % of the time, with under 5 % refused`,
      async (shape) => {
        for (const lanes of [2, 8]) {
          const latencyMs = 30;
          const result = await simulateDrain({
            limit: { ...limit, ...shape },
            lanes,
            latencyMs,
            requests: drained,
          });
          expect(result.ms).toBeLessThan(result.allowedMs * 1.1);
          expect(result.refusedShare).toBeLessThan(0.05);
        }
      },
    );
  }
});

describe("Draining against 600 requests per minute in short windows takes little longer than the limit makes it", () => {
  test.each([
    { windowMs: 1_000, processes: 1, most: 1.07 },
    { windowMs: 1_000, processes: 4, most: 1.12 },
    { windowMs: 10_000, processes: 1, most: 1.07 },
    { windowMs: 10_000, processes: 4, most: 1.07 },
  ])(
    "Windows of $windowMs ms with Retry-After take $processes process(es) under $most times as long, with under 3 % refused",
    async ({ windowMs, processes, most }) => {
      const { ms, allowedMs, refusedShare } = await simulateDrain({
        limit: { requests: windowMs / 100, windowMs, kind: "fixed", says: "retry-after" },
        lanes: 4,
        latencyMs: 100,
        requests: 3_000,
        processes,
      });
      expect(ms).toBeLessThan(allowedMs * most);
      expect(refusedShare).toBeLessThan(0.03);
    },
  );
});

function settleLater(provider: RetryingProvider, text: string): Promise<Embeddings> {
  return new Promise((resolve) => setTimeout(resolve, 100)).then(() =>
    provider.embed([text], "document", never),
  );
}

test("What was learned of the size of a request is never unlearned", () => {
  const provider = new RetryingProvider(new ScriptedProvider());
  provider.restrict({ inputs: 8 });
  provider.restrict({ inputs: 16, characters: 900 });
  provider.restrict({ characters: 1_000 });
  expect(provider.limits).toMatchObject({ inputs: 8, characters: 900 });
});
