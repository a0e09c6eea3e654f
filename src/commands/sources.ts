import { describeChunking } from "../chunks/chunk-settings.ts";
import { invocation } from "../invocation.ts";
import { describeSent } from "../providers/roles/sent.ts";
import { describeOutdated, updateOutdated } from "../status/describe-outdated.ts";
import { listSources, type ListedSource } from "../status/list-sources.ts";
import { parseCommand, type Command, type Options } from "./command.ts";
import { withDatabase } from "./with-database.ts";

const OPTIONS = {
  json: { type: "boolean", default: false, about: "prints one JSON document, and nothing else on stdout" },
} as const satisfies Options;

export const sources: Command = {
  usage: invocation("sources", "[--json]"),
  summary:
    "list every watched text: its table, key, vector column, model and prefixes, and how many vectors are old",
  options: OPTIONS,
  examples: [
    [invocation("sources"), "table, key, text, vector, model and state per source"],
    [invocation("sources", "--json"), "for a program"],
  ],
  async run(args) {
    const { values } = parseCommand(sources, args, {
      options: OPTIONS,
    });
    return await withDatabase(async (db, config) => {
      const listed = await listSources(db, config);
      console.log(values.json ? JSON.stringify(listed) : listed.map(describe).join("\n\n"));
      return 0;
    });
  },
};

function describe(source: ListedSource): string {
  const model = [source.backend ?? "EMBEDDING_BACKEND", source.model ?? "its configured model"].join(", ");
  const sent = source.sent === null ? undefined : describeSent(source.sent);
  return [
    source.name,
    `  table   ${source.table ?? "-"}, key ${source.key.join(", ")}`,
    `  text    ${source.text}`,
    `  vector  ${source.vector ?? "-"}`,
    ...(source.chunks === null ? [] : [`  cut     ${describeChunking(source.chunks)}`]),
    `  model   ${model}`,
    ...(sent === undefined ? [] : [`  sends   ${sent}`]),
    `  state   ${source.state}${source.problem === null ? "" : `: ${source.problem}`}`,
    ...outdated(source),
  ].join("\n");
}

function outdated({ name, state, old_text, old_setting }: ListedSource): string[] {
  if (state === "broken") return [];
  if (old_text === null || old_setting === null)
    return ["  old     not counted: the table cannot be read now"];
  const counts = describeOutdated({ old_text, old_setting });
  return counts === null ? [] : [`  old     ${counts}: ${updateOutdated(name)}`];
}
