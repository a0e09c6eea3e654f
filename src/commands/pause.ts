import { UsageError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { setPaused } from "../sources/set-paused.ts";
import { unknownSource } from "../sources/unknown-source.ts";
import { parseCommand, type Command } from "./command.ts";
import { withDatabase } from "./with-database.ts";

export const pause: Command = {
  usage: invocation("pause", "SOURCE"),
  summary: "stop embedding a source; its changes are still queued",
  options: {},
  examples: [
    [invocation("pause", "tickets"), "its rows wait, and nothing of them is sent"],
    [invocation("pause", '"ticket bodies"'), "a name with a space needs quotes"],
  ],
  run: (args) => setFor(pause, args, true),
};

export const resume: Command = {
  usage: invocation("resume", "SOURCE"),
  summary: "continue embedding a paused source",
  options: {},
  examples: [
    [invocation("resume", "tickets"), "what has changed since is embedded"],
    [invocation("resume", '"ticket bodies"'), "a name with a space needs quotes"],
  ],
  run: (args) => setFor(resume, args, false),
};

async function setFor(command: Command, args: readonly string[], paused: boolean): Promise<number> {
  const { positionals } = parseCommand(command, args, { allowPositionals: true, options: {} });
  const [source, ...more] = positionals;
  if (source === undefined || more.length > 0) {
    throw new UsageError("Name one source.", `Usage: ${command.usage}`);
  }
  return await withDatabase(async (db) => {
    if (!(await setPaused(db, source, paused))) throw await unknownSource(db, source);
    console.log(
      paused ? `${source} is paused: changes are still queued, but not embedded.` : `${source} is resumed.`,
    );
    return 0;
  });
}
