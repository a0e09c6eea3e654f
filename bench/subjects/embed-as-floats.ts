import { Pool, type Dispatcher } from "undici";

let pool: Pool | undefined;

/** Embeds like most scripts: JSON in, arrays of numbers out, over kept-alive connections. */
export async function embedAsFloats(providerUrl: string, texts: readonly string[]): Promise<number[][]> {
  const { body } = await ask(providerUrl, texts);
  const answer = (await body.json()) as { data: { index: number; embedding: number[] }[] };
  return answer.data.toSorted((a, b) => a.index - b.index).map((item) => item.embedding);
}

export function ask(
  providerUrl: string,
  texts: readonly string[],
  options: Readonly<Record<string, string>> = {},
): Promise<Dispatcher.ResponseData> {
  const url = new URL(`${providerUrl}/embeddings`);
  pool ??= new Pool(url.origin);
  return pool.request({
    path: url.pathname,
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "bench", input: texts, ...options }),
  });
}

export async function closeProvider(): Promise<void> {
  await pool?.close();
}
