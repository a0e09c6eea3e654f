/** An error that the user must fix: `message` says what is wrong, `remedy` what to do. */
export class SetupError extends Error {
  override readonly name: string = "SetupError";
  readonly remedy: string;

  constructor(problem: string, remedy: string, options?: ErrorOptions) {
    super(problem, options);
    this.remedy = remedy;
  }
}

/** An invalid command line or configuration: exit code 2. */
export class UsageError extends SetupError {
  override readonly name = "UsageError";
}

/** There is no connection to the database: the next time there may be one, since a command for the password may work again. */
export class NoConnection extends SetupError {
  override readonly name = "NoConnection";

  constructor({ message, remedy }: SetupError) {
    super(message, remedy);
  }
}

/** A command that its user has stopped by a signal before it was done. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";

  constructor(signal: string) {
    super(`Interrupted by ${signal}.`);
  }
}
