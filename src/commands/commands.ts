import { backfill } from "./backfill.ts";
import { cache } from "./cache.ts";
import { buildIndex } from "./build-index.ts";
import type { Command } from "./command.ts";
import { doctor } from "./doctor.ts";
import { demo } from "./demo.ts";
import { failed } from "./failed.ts";
import { migrate } from "./migrate.ts";
import { pause, resume } from "./pause.ts";
import { remodel } from "./remodel.ts";
import { retry } from "./retry.ts";
import { search } from "./search.ts";
import { sources } from "./sources.ts";
import { start } from "./start.ts";
import { status } from "./status.ts";
import { unwatch } from "./unwatch.ts";
import { verify } from "./verify.ts";
import { watch } from "./watch.ts";
import type { CommandName } from "../invocation.ts";

/** Every command, in the order in which a newcomer needs them. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  start,
  demo,
  migrate,
  backfill,
  status,
  search,
  index: buildIndex,
  watch,
  unwatch,
  sources,
  remodel,
  pause,
  resume,
  failed,
  retry,
  verify,
  doctor,
  cache,
} satisfies Record<CommandName, Command>;
