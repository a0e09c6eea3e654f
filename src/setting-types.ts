import { z } from "zod";

/** How the value of a setting is read from the environment, where everything is text. A message says what was expected. */

export const text = z.string().trim();

/** With its blanks, and empty where it is set to nothing. */
export const asItIs = z.string();

export const url = (protocols: RegExp, example: string) =>
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
