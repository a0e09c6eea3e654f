import { z } from "zod";

/** How the value of a setting is read from the environment, where everything is text. A message says what was expected. */

export const text = z.string().trim();

/** With its blanks, and empty where it is set to nothing. */
export const asItIs = z.string();

const url = (protocols: RegExp, example: string) =>
  text.refine((value) => URL.canParse(value) && protocols.test(new URL(value).protocol), {
    error: `expected a URL such as ${example}`,
  });

export const httpUrl = url(/^https?:$/, "https://host/v1");

export const whole = (min: number, max: number) =>
  text
    .regex(/^\d+$/, `expected a whole number from ${min} to ${max}`)
    .transform(Number)
    .pipe(
      z
        .number()
        .min(min, { error: `expected a whole number from ${min} to ${max}` })
        .max(max, { error: `expected a whole number from ${min} to ${max}` }),
    );

export const decimal = text.regex(/^\d+(\.\d+)?$/, "expected a number such as 0.02").transform(Number);

/** Of a day: tokens, or money in the currency of the prices. */
export interface BudgetSetting {
  readonly unit: "tokens" | "money";
  readonly amount: number;
}

/** `5` and `5 USD` are money; `2000000 tokens` are tokens. */
export const budget = text.transform((value, context): BudgetSetting => {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(?: *(USD|tokens))?$/.exec(value) ?? [];
  if (amount !== undefined && Number(amount) > 0)
    return { unit: unit === "tokens" ? "tokens" : "money", amount: Number(amount) };
  context.addIssue({ code: "custom", message: "expected an amount such as 5, 5 USD or 2000000 tokens" });
  return z.NEVER;
});

export const yesNo = z
  .enum(["true", "false"], { error: "expected true or false" })
  .transform((value) => value === "true");

export const oneOf = <const T extends readonly string[]>(values: T) =>
  z.enum(values, { error: `expected one of ${values.join(", ")}` });

export const record = text.transform((value, context): Readonly<Record<string, unknown>> => {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(value));
  } catch {
    context.addIssue({ code: "custom", message: 'expected a JSON object such as {"name": "value"}' });
    return z.NEVER;
  }
});
