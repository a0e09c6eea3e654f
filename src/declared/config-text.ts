import type { DeclaredSource } from "./declared-source.ts";

/** A configuration file in TypeScript that declares these sources. @param comments one line each */
export function configText(sources: readonly DeclaredSource[], comments: readonly string[] = []): string {
  return [
    'import { defineConfig } from "pg-autoembed";',
    "",
    ...comments.map((comment) => `// ${comment}`),
    "export default defineConfig({",
    "  sources: [",
    ...sources.flatMap((source) => [
      "    {",
      ...fieldsOf(source).map(([name, value]) => `      ${name}: ${literal(value)},`),
      "    },",
    ]),
    "  ],",
    "});",
    "",
  ].join("\n");
}

function fieldsOf(object: object): (readonly [string, unknown])[] {
  return Object.entries(object).filter(([, value]) => value !== undefined);
}

function literal(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields = fieldsOf(value).map(([name, field]) => `${propertyName(name)}: ${literal(field)}`);
  return `{ ${fields.join(", ")} }`;
}

function propertyName(name: string): string {
  return /^[a-z_]\w*$/i.test(name) ? name : JSON.stringify(name);
}
