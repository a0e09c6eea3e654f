/** A watched text, with everything that its statements need to name. */
export interface Source {
  readonly id: number;
  readonly name: string;
  readonly schema: string;
  readonly table: string;
  /** In the order of `embedding_queue.key`; `type` is SQL, as `format_type` writes it. */
  readonly key: readonly KeyColumn[];
  /** SQL over the table's columns. */
  readonly textExpression: string;
  /** A text whose expression raises is read as null, with the fault beside; slow (see `readingTexts`). */
  readonly triesTexts?: true;
  readonly vectorColumn: string;
  readonly vectorType: "vector" | "halfvec";
  /** The length that the column's type demands; null where it takes any. */
  readonly columnDimensions: number | null;
  readonly backend: string | null;
  readonly model: string | null;
  readonly dimensions: number | null;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly paused: boolean;
}

export interface KeyColumn {
  readonly name: string;
  readonly type: string;
}

/** A source that cannot be worked on, and what to do about it. */
export interface BrokenSource {
  readonly id: number;
  readonly name: string;
  readonly trouble: string;
}
