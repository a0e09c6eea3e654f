import type { OnReceived, ProviderLimits } from "./provider.ts";
import type { BatchApi, BatchOffer } from "./batch/batch-api.ts";
import type { RawVector } from "./raw-vector.ts";
import type { Fields, PerRole, Role } from "./roles/role.ts";

/** A provider's answer, in the order of the texts, its vectors not checked yet. */
export interface RawAnswer {
  readonly vectors: readonly RawVector[];
  /** What the provider reports; undefined where it reports none, and 0 where there is nothing to pay for. */
  readonly tokens: number | undefined;
}

/** What is particular to one kind of provider: how it is asked. `ValidatingProvider` adds the checks that all share. */
export interface Backend {
  readonly name: string;
  readonly model: string;
  readonly limits: ProviderLimits;
  /** Where it is asked: origin and path; undefined where it is asked nowhere else. */
  readonly address?: string;
  /** Of the query of that address, what may decide its vectors: `decidingParameters`. */
  readonly parameters?: Fields;
  /** The source has an address of its own. Left out where that is the environment's. */
  readonly hasOwnAddress?: boolean;
  /** Other settings that decide what its vectors of texts in each role are. */
  readonly shape?: PerRole<Fields>;
  /** The fields of a request by which the provider knows the role of its texts; left out where there are none. */
  readonly roleFields?: PerRole<Fields>;
  /** Requests with texts of rows have fields that are not in those of version 0.1, which knew no roles. */
  readonly addsFields?: boolean;
  /**
   * One request, or what it takes in its place.
   * @param stopping aborted when no further request may be sent, though one in flight may be answered
   * @throws {ProviderError} or, when aborted, a signal's reason
   */
  ask(
    texts: readonly string[],
    role: Role,
    signal: AbortSignal,
    onReceived?: OnReceived,
    stopping?: AbortSignal,
  ): Promise<RawAnswer>;
  /** Opens its batch API, for texts of rows; left out where it has none. It is closed by itself. */
  readonly batches?: () => BatchApi;
  /** What that offers; left out where it has none. */
  readonly batchOffer?: BatchOffer;
  close(): Promise<void>;
}
