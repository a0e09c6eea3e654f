/** How long nothing has happened when a listener falls asleep. */
const QUIET_MS = 5_000;
/** By then a listener of an earlier version, which does not know of sleep, has taken its row for that of one that is gone. */
const CHECK_MS = 10_000;
/** Its row must be seen again within a day, or it counts as gone: then triggers would not notify it. */
const LONGEST_SLEEP_MS = 6 * 3_600_000;

export interface IdleSleepOptions {
  /** Whether nothing is at work and nothing is due. */
  readonly isQuiet: () => Promise<boolean>;
  /** Ends everything that asks the database from time to time. */
  readonly onSleep: () => Promise<void>;
  /** Whether others still know that it is there. */
  readonly isKnown: () => Promise<boolean>;
  /** Begins it again. */
  readonly onWake: () => Promise<void>;
}

/**
 * Lets a listener that has nothing to do ask the database nothing (`EMBED_IDLE=sleep`): only LISTEN is left, so that a
 * serverless database may sleep too.
 *
 *   awake ──nothing happens for five seconds, and nothing is due────────▶ asleep
 *     ▲                                                                       │
 *     └── touch: a notification, LISTEN again, something claimed, six hours, ─┘
 *         its row gone after ten seconds, or falling asleep failed
 */
export class IdleSleep {
  readonly #options: IdleSleepOptions;
  #timer: NodeJS.Timeout | undefined;
  #check: NodeJS.Timeout | undefined;
  #isAsleep = false;
  #stopped = false;
  /** One change at a time: what begins again was ended before. */
  #changing: Promise<void> = Promise.resolve();

  constructor(options: IdleSleepOptions) {
    this.#options = options;
  }

  get isAsleep(): boolean {
    return this.#isAsleep;
  }

  start(): void {
    this.#restart();
  }

  /** Something has happened. */
  touch(): void {
    if (this.#stopped || this.#timer === undefined) return;
    this.#restart();
    if (!this.#isAsleep) return;
    this.#isAsleep = false;
    clearTimeout(this.#check);
    this.#change(this.#options.onWake);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#check);
  }

  #restart(): void {
    clearTimeout(this.#timer);
    const timer = setTimeout(() => void this.#tryToSleep(timer), QUIET_MS);
    this.#timer = timer;
  }

  async #tryToSleep(timer: NodeJS.Timeout): Promise<void> {
    const isQuiet = await this.#options.isQuiet().catch(() => false);
    // Touched meanwhile, or stopped: the next timer decides.
    if (this.#stopped || this.#timer !== timer) return;
    if (!isQuiet) {
      this.#restart();
      return;
    }
    this.#isAsleep = true;
    this.#timer = setTimeout(() => {
      this.touch();
    }, LONGEST_SLEEP_MS);
    const check = setTimeout(() => void this.#wakeIfUnknown(check), CHECK_MS);
    this.#check = check;
    this.#change(async () => {
      await this.#options.onSleep().catch(() => {
        this.touch();
      });
    });
  }

  async #wakeIfUnknown(check: NodeJS.Timeout): Promise<void> {
    const isKnown = await this.#options.isKnown().catch(() => false);
    if (!isKnown && this.#isAsleep && this.#check === check) this.touch();
  }

  #change(change: () => Promise<void>): void {
    this.#changing = this.#changing.then(change).catch(() => undefined);
  }
}
