import { readFileSync } from "node:fs";
import { z } from "zod";
import { SetupError } from "../../errors.ts";
import { ANSWER_PATH } from "./answer-path.ts";
import { isKnown, KNOWN_PLACEHOLDERS, placeholdersOf, repeatsForEachText } from "./placeholders.ts";

const path = z
  .string()
  .regex(
    ANSWER_PATH,
    'expected a path such as "data[].embedding": names, dots, and [] for each item of a list',
  );

const TEMPLATE = z
  .strictObject({
    url: z
      .string()
      .regex(
        /^https?:\/\/[^/{}?#\s]+(?:[/?]\S*)?$/,
        'expected a URL with a plain host, such as "https://host/embed"',
      ),
    model: z.string().min(1),
    headers: z.record(z.string(), z.string()).default({}),
    body: z.record(z.string(), z.unknown()),
    /** What the service calls the role of rows' texts and that of questions. */
    roles: z.strictObject({ document: z.string(), query: z.string() }).optional(),
    vectors: path,
    /** Where the number of each vector's text stands, if the vectors may come in another order. */
    index: path.optional(),
    tokens: path.optional(),
    max_inputs: z.int().min(1).max(2_048).optional(),
  })
  .superRefine((template, context) => {
    const report = (message: string): void => {
      context.addIssue({ code: "custom", message });
    };
    const inBody = placeholdersOf(template.body);
    const outside = [...placeholdersOf(template.url), ...placeholdersOf(template.headers)];
    for (const name of [...inBody, ...outside]) {
      if (!isKnown(name)) report(`unknown placeholder {{${name}}}; known are ${KNOWN_PLACEHOLDERS}`);
    }
    if (outside.some((name) => name === "text" || name === "texts"))
      report("texts may stand in the body alone");
    const isMany = inBody.includes("texts");
    if (isMany === inBody.includes("text")) report("the body needs {{texts}} or {{text}}, one of the two");
    if (isMany && !hasValue(template.body, "{{texts}}")) report('"{{texts}}" must be a value of its own');
    if (!takesMany(template.body) && (template.max_inputs ?? 1) > 1)
      report("{{text}} stands for one text outside of a list, so max_inputs must be 1");
    if (takesMany(template.body) && template.max_inputs === undefined)
      report("max_inputs is missing: how many texts a request may have");
    const usesRole = [...inBody, ...outside].includes("role");
    if (usesRole !== (template.roles !== undefined))
      report('"roles" and {{role}} need one another, such as {"document": "passage", "query": "query"}');
  });

export type RestTemplate = z.infer<typeof TEMPLATE>;

/** @throws {SetupError} that names all that is wrong with the file, and repeats no value of it */
export function readTemplate(file: string): RestTemplate {
  const parsed = TEMPLATE.safeParse(parse(file));
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) =>
    [path.join("."), message].filter((part) => part !== "").join(": "),
  );
  throw new SetupError(
    `The template ${file} has ${problems.length === 1 ? "an error" : `${problems.length} errors`}: ${problems.join("; ")}.`,
    "docs/providers.md explains templates, with an example.",
  );
}

function parse(file: string): unknown {
  let content: string;
  try {
    content = readFileSync(file, "utf8");
  } catch (error) {
    const { code = "unknown" } = error as NodeJS.ErrnoException;
    throw new SetupError(
      `The template ${file} cannot be read (${code}).`,
      "EMBED_REST_TEMPLATE names a file that this process may read.",
    );
  }
  try {
    return JSON.parse(content);
  } catch {
    // The parser's own message would quote the file.
    throw new SetupError(`The template ${file} is no JSON.`, "docs/providers.md has an example.");
  }
}

function takesMany(body: unknown): boolean {
  return placeholdersOf(body).includes("texts") || repeatsForEachText(body);
}

function hasValue(value: unknown, wanted: string): boolean {
  if (typeof value !== "object" || value === null) return value === wanted;
  return Object.values(value).some((item) => hasValue(item, wanted));
}
