/** Something that the user must put right: what is wrong, and what to do about it. */
export class SetupError extends Error {
  override readonly name: string = "SetupError";
  readonly remedy: string;

  constructor(problem: string, remedy: string, options?: ErrorOptions) {
    super(problem, options);
    this.remedy = remedy;
  }
}

/** A command or a configuration that cannot be understood: exit code 2. */
export class UsageError extends SetupError {
  override readonly name = "UsageError";
}
