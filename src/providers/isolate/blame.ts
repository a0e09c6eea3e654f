import type { Call } from "../call.ts";
import { ProviderError } from "../provider-error.ts";
import type { Circuit } from "../traffic/circuit.ts";
import { isProbe } from "./probe-text.ts";
import { Suspects } from "./suspects.ts";

/** A wrong key and an empty account are of no text's making; a firewall that shuts us out for a while may be. */
function mayBeTheirs({ kind, status = 0 }: ProviderError): boolean {
  return kind !== "setup" || (status >= 403 && status !== 429);
}

const PROBES_BEFORE_ACCUSING = 3;
/** While the provider only asks for fewer requests, nobody can tell whether it refuses a text. */
const NO_WITNESS = new ProviderError(
  "throttled",
  "A text failed while the provider asked for fewer requests: the rows go back to pending.",
);

/** Has the caller send the texts in parts, though nobody has refused them. */
const DIVIDE = new ProviderError("row", "The provider stopped answering when it was asked for these texts.", {
  tooMuch: { unit: "unknown" },
});

/**
 * Whether a failure is the texts' own or the provider's. A text is accused only where a witness speaks: another request
 * that the same provider answered meanwhile, or a probe.
 *
 *   request failed ── is another text answered? ──┬─ yes ─▶ these texts cause the failure: `row`
 *                                                 └─ no ──▶ the circuit is open, and the texts are suspects
 *   suspects ── divided, one request at a time ──▶ alone ── three probes answered, then it fails ──▶ once more suspect
 */
export class Blame {
  readonly #circuit: Circuit;
  readonly #suspects = new Suspects();

  constructor(circuit: Circuit) {
    this.#circuit = circuit;
  }

  /**
   * Sends texts, suspects one request at a time and alone only after probes were answered.
   * @param send `isWitnessed`: where the provider stops answering now, it had answered probes just before
   * @throws {ProviderError} `row` where the texts are to be divided first, or one has broken the provider often enough
   */
  async examine<T>(
    texts: readonly string[],
    call: Call,
    send: (isWitnessed: boolean) => Promise<T>,
  ): Promise<T> {
    const verdict = this.#suspects.verdict(texts);
    if (verdict !== undefined) throw verdict;
    if (this.#suspects.mustDivide(texts)) throw DIVIDE;
    if (!this.#suspects.includesAny(texts)) return await send(false);
    const endTurn = await this.#suspects.turn(call.signal);
    try {
      if (texts.length === 1) await this.#seeHealthy(call);
      return await send(true);
    } finally {
      endTurn();
    }
  }

  /** The provider stopped answering at these texts. */
  suspect(texts: readonly string[], failure: ProviderError, isWitnessed: boolean): void {
    if (mayBeTheirs(failure) && !isProbe(texts)) this.#suspects.add(texts, isWitnessed);
  }

  /** These were embedded. */
  clear(texts: readonly string[]): void {
    this.#suspects.clear(texts);
  }

  /**
   * The final error of texts that failed: a failure while the provider answers other texts is caused by these, whichever
   * status it has.
   * @param startedAt when they were sent
   */
  async explain(error: ProviderError, startedAt: number, attempts: number): Promise<ProviderError> {
    if (!(await this.#circuit.isAnsweringOthers(startedAt))) return this.#circuit.error ?? NO_WITNESS;
    if (error.kind === "row") return error;
    const times = attempts === 1 ? "" : ` (${attempts} times in a row)`;
    const message = `The provider answers other texts, but not this one${times}: ${error.message}`;
    return new ProviderError("row", message, { status: error.status, cause: error });
  }

  /** Before a text can be accused: a provider that only answers now and then is no witness. @throws {ProviderError} */
  async #seeHealthy(call: Call): Promise<void> {
    for (let probe = 0; probe < PROBES_BEFORE_ACCUSING; probe++) {
      call.signal.throwIfAborted();
      if (!(await this.#circuit.isAnsweringOthers(performance.now())))
        throw this.#circuit.error ?? NO_WITNESS;
    }
  }
}
