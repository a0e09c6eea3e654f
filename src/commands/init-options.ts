import { BACKEND_IDS } from "../providers/known-backends.ts";
import type { Options } from "./command.ts";
import { WATCH_OPTIONS } from "./watch-options.ts";

/** In the order of the help. Each that is not given is asked for on a terminal. */
export const INIT_OPTIONS = {
  "database-url": {
    type: "string",
    value: "URL",
    about: "your Postgres; default: DATABASE_URL, else an embedded one to try things out",
  },
  backend: { type: "string", value: BACKEND_IDS.join("|"), about: "what kind of provider embeds" },
  model: { type: "string", value: "MODEL", about: "its model; default: the one that .env.example names" },
  table: { type: "string", value: "TABLE", about: "your table" },
  text: WATCH_OPTIONS.text,
  key: WATCH_OPTIONS.key,
  yes: { type: "boolean", default: false, about: "asks nothing; what is needed and not given is an error" },
} as const satisfies Options;

export interface InitValues {
  readonly "database-url"?: string | undefined;
  readonly backend?: string | undefined;
  readonly model?: string | undefined;
  readonly table?: string | undefined;
  readonly text?: string | undefined;
  readonly key?: readonly string[] | undefined;
}
