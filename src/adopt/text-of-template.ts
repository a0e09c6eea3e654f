import { quote } from "../database/identifier.ts";

/**
 * A template as Python's `string.Template` has it, as SQL: `$title: $chunk` becomes `concat("title", ': ', "body")`. A column
 * that is null is sent as nothing here and as "None" there: the sample shows where that matters.
 * @param chunk SQL of what `$chunk` stands for
 * @returns undefined if it has a `$` that is no name
 */
export function textOfTemplate(template: string, chunk: string): string | undefined {
  const parts: string[] = [];
  let end = 0;
  for (const match of template.matchAll(/\$(?:(\$)|([_a-z]\w*)|\{([_a-z]\w*)\}|())/gi)) {
    const [whole, escaped, plain, braced] = match;
    parts.push(template.slice(end, match.index));
    end = match.index + whole.length;
    const name = plain ?? braced;
    if (escaped === undefined && name === undefined) return undefined;
    parts.push(name === undefined ? "$" : "", name ?? "");
  }
  parts.push(template.slice(end));
  return sqlOf(parts, chunk);
}

/** @param parts texts and names by turns, two texts and a name each time */
function sqlOf(parts: readonly string[], chunk: string): string {
  const pieces: string[] = [];
  const addText = (text: string): void => {
    if (text !== "") pieces.push(`'${text.replaceAll("'", "''")}'`);
  };
  for (let i = 0; i < parts.length; i += 3) {
    const [before = "", dollar = "", name = ""] = parts.slice(i, i + 3);
    addText(before);
    addText(dollar);
    if (name !== "") pieces.push(name === "chunk" ? chunk : quote(name));
  }
  const [only = "''", ...more] = pieces;
  return more.length === 0 ? only : `concat(${pieces.join(", ")})`;
}
