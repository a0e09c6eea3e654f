import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

export interface Import {
  readonly from: string;
  readonly to: string;
}

const SOURCE = "src";
/** Static and dynamic imports and re-exports of files of this project, those of types included. */
const IMPORT =
  /^(?:import|export)\b[^;]*?\bfrom\s+"(\.[^"]+)"|^import\s+"(\.[^"]+)"|\bimport\("(\.[^"]+)"\)/gm;

/** Files of `src`, as paths in it. */
export function sourceFiles(): string[] {
  return readdirSync(SOURCE, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
}

export function readSource(file: string): string {
  return readFileSync(join(SOURCE, file), "utf8");
}

export function importsOf(file: string): Import[] {
  return [...readSource(file).matchAll(IMPORT)].map(([, a, b, c]) => ({
    from: file,
    to: join(dirname(file), a ?? b ?? c ?? ""),
  }));
}

/** The room that a file is in: its folder under `src`, or the file itself where it lies in `src`. */
export function roomOf(file: string): string {
  return file.split("/")[0] ?? file;
}

/** Groups of nodes that reach one another (strongly connected, by Tarjan), of two or more. */
export function knots(edges: readonly Import[]): string[][] {
  const targets = new Map<string, Import[]>();
  for (const edge of edges) targets.set(edge.from, [...(targets.get(edge.from) ?? []), edge]);
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (node: string): number => {
    let low = order.size;
    order.set(node, low);
    stack.push(node);
    for (const { to } of targets.get(node) ?? []) {
      if (!order.has(to)) low = Math.min(low, visit(to));
      else if (stack.includes(to)) low = Math.min(low, lowest.get(to) ?? order.get(to) ?? low);
    }
    lowest.set(node, low);
    if (low === order.get(node)) {
      const knot = stack.splice(stack.indexOf(node));
      if (knot.length > 1) found.push(knot);
    }
    return low;
  };
  for (const { from } of edges) if (!order.has(from)) visit(from);
  return found;
}
