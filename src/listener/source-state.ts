import type { WorkerLoop } from "../pipeline/worker-loop.ts";
import type { Source } from "../sources/source.ts";

/**
 * What a listener does with a source.
 *
 *              found                provider and column agree
 *   (absent) ─────────▶ starting ───────────────────────────▶ running
 *       ▲  ▲               │  ▲                                  │
 *       │  └──── broken ◀──┘  └──── changed, or resumed ─────────┤ its worker is retiring, until the last of its claims
 *       └──────  paused ◀────────── paused, or dropped ──────────┘ has ended
 *
 * A broken source is started again whenever the sources are read. A source that was changed while its worker ran has a
 * new one as well as the retiring one.
 */
export type SourceState =
  | { readonly name: "starting"; readonly fingerprint: string }
  | { readonly name: "running"; readonly fingerprint: string; readonly worker: WorkerLoop }
  | { readonly name: "broken"; readonly needsPerson: boolean }
  | { readonly name: "paused" };

/** Differs whenever anything about a source does: its worker is made for one fingerprint. */
export function fingerprintOf(source: Source): string {
  return JSON.stringify(source);
}

/** The states of all sources by id, and the workers that are retiring. A source without a state is absent. */
export class SourceStates {
  readonly #states = new Map<number, SourceState>();
  readonly #retiring = new Set<WorkerLoop>();

  /** Every worker, running or retiring. */
  get workers(): WorkerLoop[] {
    return [...this.running, ...this.#retiring];
  }

  get running(): WorkerLoop[] {
    return [...this.#states.values()].flatMap((state) => (state.name === "running" ? [state.worker] : []));
  }

  get ids(): number[] {
    return [...this.#states.keys()];
  }

  /** Sources in which nothing can be done until a person acts: a table is gone, or a right is missing. */
  get waitingForPerson(): number[] {
    return [...this.#states].flatMap(([id, state]) =>
      state.name === "broken" && state.needsPerson ? [id] : [],
    );
  }

  worker(id: number): WorkerLoop | undefined {
    const state = this.#states.get(id);
    return state?.name === "running" ? state.worker : undefined;
  }

  /** Whether the source is in that state, as it is now. */
  is(name: "starting" | "running", source: Source): boolean {
    const state = this.#states.get(source.id);
    return state?.name === name && state.fingerprint === fingerprintOf(source);
  }

  /** A worker that runs for the source until now is retiring from now on. @returns that worker */
  set(id: number, state: SourceState | "absent"): WorkerLoop | undefined {
    const worker = this.worker(id);
    if (worker !== undefined) this.#retiring.add(worker);
    if (state === "absent") this.#states.delete(id);
    else this.#states.set(id, state);
    return worker;
  }

  /** Forgets retiring workers that have nothing left in the queue. */
  dropRetired(): void {
    for (const worker of this.#retiring) {
      if (worker.claims.held.size === 0 && worker.claims.unreleased === 0) this.#retiring.delete(worker);
    }
  }
}
