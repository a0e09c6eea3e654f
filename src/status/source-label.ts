import { printable } from "../printable.ts";
import type { SourceStatus } from "./source-status.ts";

/** The source for people: the name that the user gave, also where its chunks are meant, which have a name of their own. */
export function sourceLabel({ name, chunks_of: parent }: Pick<SourceStatus, "name" | "chunks_of">): string {
  return printable(parent === null ? name : `${parent} (its chunks)`);
}
