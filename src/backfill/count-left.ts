import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { registerModel, type LedgerModel } from "../ledger/model.ts";
import { rowModel } from "../providers/fingerprint.ts";
import { withProvider } from "../providers/with-provider.ts";
import { onTooLong } from "../providers/source-settings.ts";
import { allSince } from "../pages/backfills.ts";
import type { Source } from "../sources/source.ts";
import { countRowsLeft } from "./count-rows-left.ts";
import { countTextsLeft } from "./count-texts-left.ts";
import { knownDimensions } from "./known-dimensions.ts";
import type { TextsLeft } from "./texts-left.ts";
import type { RowsLeft } from "./rows-left.ts";
import type { Work } from "./work.ts";

interface Options {
  /** Every row is embedded, even if it has a current vector. */
  readonly all: boolean;
  readonly signal: AbortSignal;
}

interface Counting {
  /** The first texts in chunks are counted: they are, before any is queued, unless that takes an answer of the provider. */
  readonly firstTexts: Promise<void>;
  readonly all: Promise<void>;
}

/** Counts for the progress alone: where it fails, what is done is shown, and not of how much. */
export function countLeft(
  db: Database,
  config: Config,
  started: Promise<void>,
  work: Work,
  options: Options,
): Counting {
  const model = (source: Source): Promise<LedgerModel> =>
    modelOf(db, config, source, started, options.signal);
  let haveFirst: () => void = () => undefined;
  const firstTexts = new Promise<void>((resolve) => (haveFirst = resolve));
  const isProbed = work.inChunks.some(({ embedder }) => knownDimensions(config, embedder) === null);
  if (isProbed) haveFirst();
  const count = async (): Promise<void> => {
    for (const texts of work.inChunks) {
      await countTextsOf(db, texts, await model(texts.embedder), options, haveFirst);
      await countRowsOf(db, texts.chunks, texts.embedder, await model(texts.embedder), options);
      if (!options.signal.aborted) texts.chunksCounted();
    }
    for (const source of work.wholeSources)
      await countRowsOf(db, work.whole, source, await model(source), options);
    work.isCounted = !options.signal.aborted;
  };
  return {
    firstTexts,
    all: count()
      .catch(() => undefined)
      .finally(haveFirst),
  };
}

async function countTextsOf(
  db: Database,
  texts: TextsLeft,
  model: LedgerModel,
  { all, signal }: Options,
  onPart: () => void,
): Promise<void> {
  const since = await allSince(db, texts.embedder, all);
  for await (const part of countTextsLeft(db, texts.source, texts.embedder, model, { isAll: all, since })) {
    texts.counted(part);
    onPart();
    if (signal.aborted) return;
  }
}

async function countRowsOf(
  db: Database,
  left: RowsLeft,
  source: Source,
  model: LedgerModel,
  { all, signal }: Options,
): Promise<void> {
  for await (const rows of countRowsLeft(db, source, model, await allSince(db, source, all))) {
    if (signal.aborted) return;
    left.counted(rows);
  }
}

/** Probes the provider, after the listener has, only if no setting and no column gives the length of its vectors. */
async function modelOf(
  db: Database,
  config: Config,
  source: Source,
  started: Promise<void>,
  signal: AbortSignal,
): Promise<LedgerModel> {
  const dimensions = knownDimensions(config, source);
  if (dimensions === null) await started;
  const named = await withProvider(config, source, { dimensions, signal }, (provider) =>
    rowModel(provider, onTooLong(config, source)),
  );
  return await registerModel(db, named, source.vectorType);
}
