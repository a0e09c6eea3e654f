/** The result of one check: fine, worth knowing or broken, and what to do about it. */
export interface Finding {
  readonly level: "ok" | "warning" | "problem";
  readonly what: string;
  readonly remedy?: string;
}

export const ok = (what: string): Finding => ({ level: "ok", what });
export const warning = (what: string, remedy: string): Finding => ({ level: "warning", what, remedy });
export const problem = (what: string, remedy: string): Finding => ({ level: "problem", what, remedy });
