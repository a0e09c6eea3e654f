import { invocation } from "../invocation.ts";
import type { ProviderConfig } from "../providers/provider-config.ts";
import { describeProvider } from "../providers/describe-provider.ts";
import { familyPrefixes } from "../providers/roles/model-families.ts";
import type { Role } from "../providers/roles/role.ts";
import { describeSent, sentBy } from "../providers/roles/sent.ts";
import type { Source } from "../sources/source.ts";
import { ok, warning, type Finding } from "./finding.ts";

type Described = Awaited<ReturnType<typeof describeProvider>>;

/** The fields by which services are told the role of a text. */
const ROLE_FIELDS = ["input_type", "task"] as const;

const SAYS_DOCUMENT = /document|passage/i;

const ROLES = [
  { role: "document", setting: "EMBED_DOCUMENT_PREFIX", own: "document_prefix", of: "each text of a row" },
  { role: "query", setting: "EMBED_QUERY_PREFIX", own: "query_prefix", of: "each question" },
] as const;

/** Checks that the texts of rows and the questions are sent as the model expects each of them. */
export async function examineRoles(
  config: ProviderConfig,
  source: Pick<Source, "name" | "backend" | "model" | "dimensions" | "settings">,
): Promise<Finding[]> {
  const described = await describeProvider(config, source);
  const wrong = [...sentAlike(described), ...bare(described, source)];
  if (wrong.length > 0) return wrong;
  const sent = describeSent(sentBy(described));
  return sent === undefined ? [] : [ok(`it sends ${sent}`)];
}

/** A field that says what a text is must not say the same of a question. */
function sentAlike({ shape }: Described): Finding[] {
  return ROLE_FIELDS.filter(
    (field) => shape.query[field] === shape.document[field] && SAYS_DOCUMENT.test(String(shape.query[field])),
  ).map((field) =>
    warning(
      `questions are sent as texts of rows are, with ${JSON.stringify({ [field]: shape.query[field] })}.`,
      `Move ${field} from OPENAI_EXTRA_BODY to OPENAI_DOCUMENT_EXTRA_BODY, and set OPENAI_QUERY_EXTRA_BODY. The vectors of rows stay current.`,
    ),
  );
}

/** A model of a known family, before whose texts nothing is put, or a prefix that has lost its blank. */
function bare(
  { model, prefixes, roleFields }: Described,
  source: Pick<Source, "name" | "settings">,
): Finding[] {
  if (roleFields !== undefined) return [];
  const family = familyPrefixes(model);
  return ROLES.flatMap(({ role, setting, own, of }) => {
    const [expected, sent] = [family[role], prefixes[role]];
    if (!isLost(expected, sent)) return [];
    const what = `${model} expects ${JSON.stringify(expected)} before ${of}, and ${sent === "" ? "nothing" : JSON.stringify(sent)} is put there.`;
    return [warning(what, remedyOf(role, expected, { setting, own }, source))];
  });
}

/** Another prefix than the expected one is the user's choice; none, or one without its blank, hardly is. */
function isLost(expected: string, sent: string): boolean {
  if (sent === expected || expected === "") return false;
  return sent.trimEnd() === "" || sent.trimEnd() === expected.trimEnd();
}

function remedyOf(
  role: Role,
  expected: string,
  { setting, own }: { readonly setting: string; readonly own: string },
  { name, settings }: Pick<Source, "name" | "settings">,
): string {
  const assign =
    own in settings
      ? `Take ${own} out of the source's settings, or set it to ${JSON.stringify(expected)}.`
      : `Take ${setting} out of the environment, or set ${setting}=${JSON.stringify(expected)}.`;
  return role === "query" ? assign : `${assign} Then: ${invocation("backfill", ["--source", name])}`;
}
