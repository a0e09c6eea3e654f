import type { Fields, PerRole, Role } from "./role.ts";
import type { PrefixedBackend } from "./with-prefixes.ts";

/** What a provider gets with the texts of one role. */
interface SentWith {
  /** Put before each text; empty where nothing is. */
  readonly prefix: string;
  /** Fields of the request by which the provider knows the role. */
  readonly fields: Fields;
}

export type Sent = PerRole<SentWith>;

export function sentBy({ prefixes, roleFields }: Pick<PrefixedBackend, "prefixes" | "roleFields">): Sent {
  const of = (role: Role): SentWith => ({ prefix: prefixes[role], fields: roleFields?.[role] ?? {} });
  return { document: of("document"), query: of("query") };
}

/** In words: `texts after "passage: ", questions after "query: "`. Undefined where nothing is sent but the texts. */
export function describeSent({ document, query }: Sent): string | undefined {
  const [texts, questions] = [describeOne(document), describeOne(query)];
  if (texts === undefined && questions === undefined) return undefined;
  return `texts ${texts ?? AS_THEY_ARE}, questions ${questions ?? AS_THEY_ARE}`;
}

const AS_THEY_ARE = "as they are";

function describeOne({ prefix, fields }: SentWith): string | undefined {
  const parts = [
    ...(prefix === "" ? [] : [`after ${JSON.stringify(prefix)}`]),
    ...(Object.keys(fields).length === 0 ? [] : [`with ${JSON.stringify(fields)}`]),
  ];
  return parts.length === 0 ? undefined : parts.join(" ");
}
