import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { createSearch, type Search } from "../../src/search/create-search.ts";
import { examineReranker } from "../../src/doctor/examine-reranker.ts";
import { Reranker } from "../../src/providers/rerank/reranker.ts";
import { rerank, type Order } from "../../src/search/rerank.ts";
import type { Hit } from "../../src/search/search-options.ts";
import { startAgent } from "../support/agent.ts";
import { runCommand } from "../support/command.ts";
import { prepare, type Listening } from "../support/listening.ts";
import { startReranker } from "../support/rerank-server.ts";
import { serve } from "../support/serving.ts";

vi.setConfig({ testTimeout: 180_000 });

const TEXTS = ["one", "twenty", "three hundred", "four thousand and four"];
const [QUESTION = ""] = TEXTS;
const LONGEST_FIRST = ["4", "3", "2", "1"];

let on: Listening;
beforeEach(async () => {
  on = await prepare();
  const listener = await on.listen();
  await on.client.query(
    "insert into patient_embeddings select i, text from unnest($1::text[]) with ordinality t(text, i)",
    [TEXTS],
  );
  await listener.whenDrained();
  await listener.stop();
});

function open(environment: Readonly<Record<string, string>>): Search<Record<string, unknown>> {
  const config = readConfig({ ...on.environment, ...environment });
  const search = createSearch({ config: { ...config, DATABASE_URL: on.database.url } });
  onTestFinished(() => search.close());
  return search;
}

const keys = (hits: readonly { readonly key: string }[]): string[] => hits.map(({ key }) => key);

test("Reranked rows come in the order of the reranker's scores, and have these as their scores", async () => {
  const reranker = await startReranker();
  const search = open(reranker.environment);
  const found = await search.search(QUESTION, { rerank: true, limit: 2, withSnippet: true });
  expect(found).toMatchObject({ rankedBy: "reranker", notice: null });
  expect(found.hits).toMatchObject([
    { key: "4", score: 0.22, text: null, snippet: TEXTS[3] },
    { key: "3", score: 0.13, text: null, snippet: TEXTS[2] },
  ]);
  expect(found.hits[0]?.distance).toBeGreaterThan(0);
  // One text may not be seen by the reranker before another: they are in the first order, which is by distance.
  const first = keys((await search.search(QUESTION)).hits);
  expect(reranker.requests[0]?.body).toMatchObject({
    query: QUESTION,
    documents: first.map((key) => TEXTS[Number(key) - 1]),
  });
});

test("Nothing is sent to a reranker unless a search asks for it, and asking for one that is not configured is refused", async () => {
  const reranker = await startReranker();
  const search = open(reranker.environment);
  expect((await search.search(QUESTION)).rankedBy).toBe("meaning");
  expect((await search.search(QUESTION, { rerank: false })).rankedBy).toBe("meaning");
  expect(reranker.requests).toEqual([]);
  await expect(open({}).search(QUESTION, { rerank: true })).rejects.toThrow(/No reranker is configured/);
  await expect(search.search({ like: 1 }, { rerank: true })).rejects.toThrow(/cannot be reranked/);
  await expect(search.search(QUESTION, { rerank: { candidates: 0 } })).rejects.toThrow(/candidates is 0/);
  await expect(search.search(QUESTION, { rerank: true, limit: 201 })).rejects.toThrow(/at most 200/);
});

test("Only the candidates' texts are sent: of the rows that pass the conditions, the nearest, and never fewer than wanted", async () => {
  const reranker = await startReranker();
  const search = open(reranker.environment);
  const sent = () => (reranker.requests.at(-1)?.body["documents"] as string[]).toSorted();
  const found = await search.search(QUESTION, { rerank: true, where: { patient_id: [1, 3] } });
  expect(keys(found.hits)).toEqual(["3", "1"]);
  expect(sent()).toEqual([TEXTS[0], TEXTS[2]].toSorted());
  await search.search(QUESTION, { rerank: { candidates: 1 }, limit: 1 });
  expect(sent()).toEqual([QUESTION]);
  expect((await search.search(QUESTION, { rerank: { candidates: 1 }, limit: 3 })).hits).toHaveLength(3);
  expect(sent()).toHaveLength(3);
  const requests = reranker.requests.length;
  const nothing = await search.search(QUESTION, { rerank: true, where: { patient_id: 99 } });
  expect(nothing).toMatchObject({ hits: [], notice: "No row passes the conditions." });
  expect(reranker.requests).toHaveLength(requests);
});

test.each([
  [{ status: 429, body: {} }, "the reranker takes no more requests just now"],
  [{ status: 500, body: {} }, "the reranker could not be reached"],
  [{ status: 422, body: { message: `refused: ${TEXTS[3] ?? ""}` } }, "refused this question or these texts"],
  [{ status: 401, body: {} }, "cannot be used as it is set up"],
  [{ status: 200, body: { results: [] } }, "answer could not be used"],
])("Where the reranker answers %j, the first order stands, and the notice says why", async (reply, says) => {
  const reranker = await startReranker("cohere", () => reply);
  const search = open(reranker.environment);
  const first = await search.search(QUESTION, { withText: true });
  const found = await search.search(QUESTION, { withText: true, rerank: true });
  expect(found).toEqual({ ...first, notice: expect.stringContaining(says) as string });
  expect(found.notice).toMatch(/^The rows were not reranked: [^:]+\.$/);
  expect(found.notice).not.toContain("thousand");
});

test("Words and meaning, and the words alone while the question cannot be embedded, are reranked too", async () => {
  const reranker = await startReranker();
  const search = open(reranker.environment);
  const request = { rerank: true, hybrid: true, withText: true };
  const found = await search.search("four hundred", request);
  expect(found).toMatchObject({ rankedBy: "reranker", notice: null });
  expect(keys(found.hits)).toEqual(LONGEST_FIRST);
  void on.provider.close();
  const byWords = await search.search("hundred or twenty", request);
  expect(byWords).toMatchObject({
    rankedBy: "reranker",
    hits: [
      { key: "3", distance: null },
      { key: "2", distance: null },
    ],
  });
  expect(byWords.notice).toMatch(/could not be embedded/);
});

test("Equal scores keep the first order, and minScore is of the score that is shown", async () => {
  const reranker = await startReranker("tei", (texts) => texts.map((_, index) => ({ index, score: 0.5 })));
  const search = open(reranker.environment);
  const first = keys((await search.search(QUESTION)).hits);
  expect(keys((await search.search(QUESTION, { rerank: true })).hits)).toEqual(first);
  expect(await search.search(QUESTION, { rerank: true, minScore: 0.6 })).toMatchObject({
    hits: [],
    notice: "No row has the wanted score; the best has 0.500.",
  });
});

test("A row that is deleted while the reranker reads it is left out", async () => {
  const { environment } = await startReranker();
  const scores = vi.spyOn(Reranker.prototype, "scores").mockImplementation(async (_question, texts) => {
    await on.client.query("delete from patient_embeddings where patient_id = 4");
    return texts.map(({ length }) => length);
  });
  onTestFinished(() => {
    scores.mockRestore();
  });
  expect(keys((await open(environment).search(QUESTION, { rerank: true })).hits)).toEqual(["3", "2", "1"]);
});

test("A row whose text cannot be read comes after those that were judged", async () => {
  const candidates = [{ text: null }, { text: "near" }, { text: "nearer" }].map(
    ({ text }, i): Hit<unknown> => ({
      key: String(i),
      score: 1,
      distance: 0,
      text,
      snippet: null,
      row: null,
    }),
  );
  const first: Order = { ranked: candidates, rankedBy: "meaning", notices: [] };
  const scores = (): Promise<number[]> => Promise.resolve([-3, -2]);
  const { ranked } = await rerank({ scores }, QUESTION, candidates, first, undefined);
  expect(keys(ranked)).toEqual(["2", "1", "0"]);
});

test("The command search --rerank says in its header which score is shown", async () => {
  const reranker = await startReranker("jina");
  const environment = { ...on.environment, ...reranker.environment };
  const shown = runCommand(["search", QUESTION, "--rerank", "--limit", "1"], environment);
  expect(await shown.exited).toBe(0);
  expect(shown.stdout()).toBe(
    "key     score  (patient_embeddings, by the reranker: highest is best)\n  4    0.2200\n",
  );
  const refused = runCommand(["search", QUESTION, "--rerank"], on.environment);
  expect(await refused.exited).toBe(2);
  expect(refused.stderr()).toContain("RERANK_BACKEND");
});

test("POST /v1/search reranks where it is asked to", async () => {
  const reranker = await startReranker("voyage");
  const http = await serve(await on.listen(), on.database.url, reranker.environment);
  const post = async (rerank: unknown) => {
    const answer = await fetch(new URL("/v1/search", http.url), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ question: QUESTION, rerank }),
    });
    return {
      status: answer.status,
      ...((await answer.json()) as { hits: { key: string }[]; error: string }),
    };
  };
  expect(await post(true)).toMatchObject({ status: 200, rankedBy: "reranker" });
  expect(keys((await post({ candidates: 4 })).hits)).toEqual(LONGEST_FIRST);
  for (const wrong of ["yes", { candidates: "many" }, { texts: 4 }])
    expect(await post(wrong)).toMatchObject({
      status: 400,
      error: expect.stringContaining("rerank should be") as string,
    });
});

test("An agent may ask for the reranker where there is one, and gets no texts by it", async () => {
  const input = { question: QUESTION, source: "patient_embeddings", rerank: true };
  const without = await startAgent([], on.environment);
  expect(await without.call("search", input)).toMatchObject({ isError: true });
  const reranker = await startReranker();
  const agent = await startAgent([], { ...on.environment, ...reranker.environment });
  const found = await agent.call("search", input);
  expect(found.isError).toBe(false);
  expect(found.text).not.toContain("thousand");
  const { hits, rankedBy } = JSON.parse(found.text) as { hits: { key: string }[]; rankedBy: string };
  expect([keys(hits), rankedBy]).toEqual([LONGEST_FIRST, "reranker"]);
});

test("doctor has the reranker rank two sample texts", async () => {
  const examine = async (environment: Record<string, string>) => {
    const [finding] = await examineReranker(readConfig(environment));
    return finding;
  };
  expect(await examine({})).toBeUndefined();
  const right = await startReranker("tei", (texts) =>
    texts.map((text, index) => ({ index, score: text.includes("barks") ? 1 : 0 })),
  );
  expect(await examine(right.environment)).toMatchObject({ level: "ok" });
  const wrong = await startReranker("tei", (texts) => texts.map((_, index) => ({ index, score: -index })));
  expect(await examine(wrong.environment)).toMatchObject({ level: "warning" });
  const refusing = await startReranker("tei", () => ({ status: 401, body: {} }));
  const finding = await examine(refusing.environment);
  expect(finding).toMatchObject({
    level: "problem",
    what: expect.stringContaining("Check RERANK_API_KEY") as string,
  });
});
