import { BACKEND_IDS } from "../providers/known-backends.ts";
import { JSON_OPTION, type Options } from "./command.ts";
import { PROVIDER_OPTIONS } from "./provider-options.ts";

/** In the order of the help. */
export const REMODEL_OPTIONS = {
  model: { type: "string", value: "MODEL", about: "the new model" },
  dim: { type: "string", value: "N", about: "the length of its vectors; default: what it answers with" },
  backend: {
    type: "string",
    value: BACKEND_IDS.join("|"),
    about: "what kind of provider has it; default: the same as now",
  },
  ...PROVIDER_OPTIONS,
  force: {
    type: "boolean",
    default: false,
    about:
      "switches although rows have failed with the new model; with --rollback, also although rows are pending",
  },
  "dry-run": {
    type: "boolean",
    default: false,
    about: "sends nothing, writes nothing, and reports rows, tokens, cost, time and disk",
  },
  batch: {
    type: "boolean",
    default: false,
    about: "goes through the provider's batch API: half the price (Voyage: a third off), within a day",
  },
  pause: {
    type: "boolean",
    default: false,
    about: "stops embedding with the new model; the command without options continues",
  },
  rollback: { type: "boolean", default: false, about: "after the switch: back to the old model" },
  finish: { type: "boolean", default: false, about: "after the switch: drops the old vectors" },
  cancel: { type: "boolean", default: false, about: "before the switch: drops the new vectors" },
  json: JSON_OPTION,
} as const satisfies Options;
