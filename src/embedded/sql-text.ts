/** What the wire server must know about a query's text before the engine runs it. */

const SKIPPED =
  /--[^\n]*|\/\*[\s\S]*?\*\/|\be'(?:\\[\s\S]|''|[^'\\])*'|'(?:''|[^'])*'|\$(\w*)\$[\s\S]*?\$\1\$|"(?:""|[^"])*"|;/gi;

/** The statements of a query text, without comments and with empty literals; quoted names are kept. */
function statementsOf(text: string): string[] {
  const statements = [""];
  let from = 0;
  const append = (part: string) => statements.push(`${statements.pop() ?? ""}${part}`);
  for (const match of text.matchAll(SKIPPED)) {
    append(text.slice(from, match.index));
    from = match.index + match[0].length;
    if (match[0] === ";") statements.push("");
    else if (match[0].startsWith('"')) append(match[0]);
    else append(match[0].startsWith("-") || match[0].startsWith("/") ? " " : "''");
  }
  append(text.slice(from));
  return statements.map((statement) => statement.trim()).filter((statement) => statement !== "");
}

export interface CopyIn {
  readonly binary: boolean;
}

/** The `copy … from stdin` statements of a query text, in order. */
export function copiesFromStdin(text: string): CopyIn[] {
  if (!mentionsStdin(text)) return [];
  return statementsOf(text)
    .filter((statement) => /^copy\b[\s\S]*\bfrom\s+stdin\b/i.test(statement))
    .map((statement) => ({ binary: /\bbinary\b/i.test(statement) }));
}

export function mentionsStdin(text: string): boolean {
  return /\bstdin\b/i.test(text);
}

export interface ChannelChange {
  /** undefined: all channels */
  readonly channel: string | undefined;
  readonly listens: boolean;
}

/** How LISTEN, UNLISTEN and DISCARD ALL in a query text change the client's channels. */
export function channelChanges(text: string): ChannelChange[] {
  if (!/\b(?:listen|unlisten|discard)\b/i.test(text)) return [];
  return statementsOf(text).flatMap((statement): ChannelChange[] => {
    if (/^(?:discard\s+all|unlisten\s*\*)$/i.test(statement)) return [{ channel: undefined, listens: false }];
    const match = /^(un)?listen\s+("(?:""|[^"])+"|[^\s"]+)$/i.exec(statement);
    const name = match?.[2];
    if (name === undefined) return [];
    return [{ channel: folded(name), listens: match?.[1] === undefined }];
  });
}

function folded(identifier: string): string {
  return identifier.startsWith('"')
    ? identifier.slice(1, -1).replaceAll('""', '"')
    : identifier.toLowerCase();
}

export function quoted(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}
