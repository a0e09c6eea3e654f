import { describeChunking } from "../chunks/chunk-settings.ts";
import { declarePresent } from "../declared/declare-present.ts";
import { UsageError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { printable } from "../printable.ts";
import { describeSent } from "../providers/roles/sent.ts";
import { describeStale, updateStale } from "../status/describe-stale.ts";
import { listSources, type ListedSource } from "../status/list-sources.ts";
import { JSON_OPTION, parseCommand, type Command, type Options } from "./command.ts";
import { withDatabase } from "./with-database.ts";

const OPTIONS = {
  "as-config": {
    type: "boolean",
    default: false,
    about: "prints them as an autoembed.config.ts, to be declared from now on",
  },
  json: JSON_OPTION,
} as const satisfies Options;

export const sources: Command = {
  usage: invocation("sources", "[--as-config | --json]"),
  summary:
    "list every watched text: its table, key, vector column, model and prefixes, and how many vectors are old",
  options: OPTIONS,
  examples: [
    [invocation("sources"), "table, key, text, vector, model and state per source"],
    [
      invocation("sources", "--as-config"),
      "what autoembed.config.ts has to say, for diff to find no difference",
    ],
  ],
  async run(args) {
    const { values } = parseCommand(sources, args, {
      options: OPTIONS,
    });
    if (values["as-config"] && values.json)
      throw new UsageError("--as-config prints TypeScript, and --json JSON.", `Usage: ${sources.usage}`);
    return await withDatabase(async (db, config) => {
      if (values["as-config"]) {
        process.stdout.write(await declarePresent(db));
        return 0;
      }
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
    ...(source.tenant === null ? [] : [`  tenant  ${source.tenant}`]),
    `  model   ${model}`,
    ...(sent === undefined ? [] : [`  sends   ${sent}`]),
    `  state   ${source.state}${source.problem === null ? "" : `: ${source.problem}`}`,
    ...stale(source),
  ]
    .map(printable)
    .join("\n");
}

function stale({ name, state, not_queued, old_text, old_setting }: ListedSource): string[] {
  if (state === "broken") return [];
  if (not_queued === null || old_text === null || old_setting === null)
    return ["  stale   not counted: the table cannot be read now"];
  const counts = describeStale({ not_queued, old_text, old_setting });
  return counts === null ? [] : [`  stale   ${counts}: ${updateStale(name)}`];
}
