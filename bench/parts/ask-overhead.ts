import { withClient } from "../bench-database.ts";
import { median, percentile } from "../median.ts";
import { atMost, type Section } from "../report.ts";
import { startListener } from "../start-listener.ts";
import { startProvider } from "../start-provider.ts";

const LATENCIES_MS = [0, 50, 300];

/** What `call autoembed.ask()` takes over the provider's own time, for questions that were not asked before. */
export async function askOverhead(url: string, dimensions: number, questions: number): Promise<Section> {
  const rows = [];
  const bars = [];
  for (const latencyMs of LATENCIES_MS) {
    const provider = await startProvider({ dimensions, latencyMs });
    const listener = await startListener(url, provider.url);
    const times = await withClient(url, async (client) => {
      const taken: number[] = [];
      for (let i = -5; i < questions; i++) {
        const started = performance.now();
        await client.query("call autoembed.ask('patient_embeddings', $1)", [
          `${latencyMs} ms, question ${i}`,
        ]);
        if (i >= 0) taken.push(performance.now() - started);
      }
      return taken;
    });
    await listener.stop();
    provider.close();
    const over = times.map((ms) => ms - latencyMs);
    rows.push([`a provider of ${latencyMs} ms`, median(times), median(over), percentile(over, 0.95)]);
    bars.push(atMost(`a provider of ${latencyMs} ms: at most 40 ms over it`, median(over), 40, " ms"));
  }
  return {
    title: "A question from plain SQL, call autoembed.ask(), ms",
    columns: ["", "median", "over the provider, median", "p95"],
    rows,
    bars,
  };
}
