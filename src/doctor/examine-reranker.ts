import { RerankError } from "../providers/rerank/rerank-error.ts";
import type { RerankConfig } from "../providers/rerank/rerank-settings.ts";
import { openReranker } from "../providers/rerank/reranker.ts";
import { ok, problem, warning, type Finding } from "./finding.ts";

const QUESTION = "Which animal barks?";
const TEXTS = ["A cat purrs.", "A dog barks."];

/** Has the reranker rank two sample texts, if one is configured: none of yours. */
export async function examineReranker(config: RerankConfig): Promise<Finding[]> {
  const reranker = openReranker(config);
  if (reranker === undefined) return [];
  try {
    const [cat = 0, dog = 0] = await reranker.scores(QUESTION, TEXTS);
    if (dog > cat) return [ok(`The reranker at ${reranker.address} answers`)];
    return [
      warning(
        `The reranker at ${reranker.address} scores "${TEXTS[0] ?? ""}" not lower than "${TEXTS[1] ?? ""}" for the question "${QUESTION}".`,
        "Check RERANK_MODEL: a reranker scores how well a text answers a question, the highest is best.",
      ),
    ];
  } catch (error) {
    if (!(error instanceof RerankError)) throw error;
    return [
      problem(
        `The reranker cannot be used: ${error.message}`,
        "Correct the settings RERANK_… of the environment.",
      ),
    ];
  } finally {
    await reranker.close();
  }
}
