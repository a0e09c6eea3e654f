import { sql, type RawBuilder } from "kysely";

/** Whether a source `s` has that name, or embeds the chunks that its texts are split into; without a name, every source. */
export function isOfSource(name: string | undefined): RawBuilder<boolean> {
  return name === undefined
    ? sql`true`
    : sql`(s.name = ${name} or s.watched_table = (select p.vector_table from autoembed.embedding_source p where p.name = ${name} and p.passages is not null))`;
}
