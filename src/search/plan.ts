/** A row of `explain (format yaml)`, which is a text: what an application makes of JSON does not change it. */
export interface Explained {
  readonly "QUERY PLAN": string;
}

export interface Plan {
  readonly totalCost: number;
  /** What it gives, if it is verbose. */
  readonly output: readonly string[];
  /** As estimated, of each plan that it is made of. */
  readonly rowsOfParts: readonly number[];
}

/** Each level is indented by four spaces; texts are quoted as in JSON, so that they have no line breaks. */
export function planIn([row]: readonly Explained[]): Plan {
  const text = row?.["QUERY PLAN"] ?? "";
  const [, cost = Infinity] = /^ {4}Total Cost: (.+)$/m.exec(text) ?? [];
  const [, output = ""] = /^ {4}Output:\s*\n((?: {6}- .*\n?)+)/m.exec(text) ?? [];
  return {
    totalCost: Number(cost),
    output: [...output.matchAll(/^ {6}- (.*)$/gm)].map(([, quoted = ""]) => JSON.parse(quoted) as string),
    rowsOfParts: [...text.matchAll(/^ {8}Plan Rows: (.+)$/gm)].map(([, rows]) => Number(rows)),
  };
}
