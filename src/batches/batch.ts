/*
 * The life of a batch, a row of `embedding_batch`. Each step leaves the row so that it can be done again from there, by
 * whichever listener takes the batch next:
 *
 *   begin ──▶ filling ──the file is sent──▶ uploaded ──▶ creating ──the provider takes it──▶ submitted
 *                │                          ▲  ▲             │                                  │   │
 *                │                          │  └──refused────┘                                  │   │
 *                │                          └──────────────────the provider fails it────────────┘   │
 *                ▼                                                                                  ▼
 *             (absent) ◀──its files are deleted── cleaning ◀──its vectors are written── reading ◀──it ended
 *
 *   A batch that is refused for so long that the provider has deleted its file goes from creating back to filling.
 *
 *   A crash while   filling     the file is looked for by its name and deleted; the pages are free. A file that the provider
 *                               did not take is filled and sent again as the same batch, later each time
 *                   creating    the batch is looked for by its file and its tag, and made only if there is none
 *                   reading     the results are read again from the last written line on
 *                   cleaning    files that are gone count as deleted
 *
 * The owner is the listener that does the step, not the batch's: a batch whose owner is not registered is anyone's. Its
 * pages are the batch's own, and no listener's death frees them.
 */

export interface Batch {
  /** `embedding_batch.id`, a bigint as text. */
  readonly id: string;
  readonly tag: string;
  readonly state: "filling" | "uploaded" | "creating" | "submitted" | "reading" | "cleaning";
  readonly model_id: number;
  /** How often its last step has failed. */
  readonly attempts: number;
  readonly lines: number;
  /** Of the texts of all lines. */
  readonly characters: number;
  readonly lines_read: number;
  readonly embedded: number;
  readonly refused: number;
  readonly input_file: string | null;
  readonly provider_batch: string | null;
  readonly output_file: string | null;
  readonly error_file: string | null;
  /** Since the provider took it, by the server's clock; null before. */
  readonly submitted_ms: number | null;
}

/** What a step changes. */
export type BatchChange = Partial<
  Pick<
    Batch,
    | "state"
    | "attempts"
    | "lines"
    | "characters"
    | "lines_read"
    | "embedded"
    | "refused"
    | "input_file"
    | "provider_batch"
    | "output_file"
    | "error_file"
  > & { readonly submitted_at: Date; readonly expires_at: Date | null }
>;

/** The name of its input file at the provider. */
export function fileName({ tag }: Pick<Batch, "tag">): string {
  return `autoembed-${tag}.jsonl`;
}

/** Another listener works on the batch now: this one was taken for dead. */
export class LostBatch extends Error {
  override readonly name = "LostBatch";

  constructor() {
    super("another listener works on this batch now");
  }
}
