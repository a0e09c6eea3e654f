import type { Found } from "../adopt/found.ts";
import type { AdoptPlan } from "../adopt/plan.ts";
import type { Proof } from "../adopt/prove.ts";
import type { GivenBack } from "../adopt/roll-back.ts";
import type { Adopted } from "../adopt/take-over.ts";
import { sqlName } from "../database/identifier.ts";
import { invocation } from "../invocation.ts";
import { describeEstimate } from "./describe-plan.ts";

/** What a plan says, for people. */
export function describeAdoption(plan: AdoptPlan, destination: string): string {
  const { found, wanted, rows, estimate } = plan;
  const unit = found.kept.as === "chunks" ? "chunks" : "rows";
  return [
    `${wanted.name}: ${found.name} of ${found.tool}`,
    `  table     ${sqlName(wanted.table)}, key ${wanted.key.join(", ")}`,
    `  text      ${wanted.text}`,
    `  vectors   ${describeKept(plan)}`,
    ...(found.model === null ? [] : [`  model     ${found.model}, as ${found.tool} calls it`]),
    `  current   ${rows.withVector} ${unit} have a vector${found.kept.as === "chunks" ? "" : ", which is taken over and not paid for"}`,
    ...(rows.outdated === 0 ? [] : [`  outdated  ${rows.outdated} rows have an old vector: they are queued`]),
    ...(estimate === null ? [] : [`  left      for a backfill: ${describeEstimate(estimate)}`]),
    ...describeOff(found),
    ...found.notes.map((note) => `  note      ${note}`),
    ...(isSwitchedOff(found) && ["column", "table"].includes(found.kept.as)
      ? [
          `  first     stop the worker of ${found.tool}: what it is embedding now could overwrite a newer vector`,
        ]
      : []),
    destination,
  ].join("\n");
}

function isSwitchedOff({ triggers, workers }: Found): boolean {
  return triggers.length > 0 || (workers.cronJobs ?? []).length > 0;
}

function describeKept({ found: { kept }, watch }: AdoptPlan): string {
  switch (kept.as) {
    case "column":
      return `stay in the column ${kept.column}`;
    case "table":
      return `stay in ${sqlName(kept.from)}, column ${kept.column}`;
    case "copy":
      return `are copied from ${sqlName(kept.from)} to ${String(watch.into)}`;
    case "chunks":
      return `of equal chunks are taken from ${sqlName(kept.from)}; ours are in ${String(watch.into)}`;
  }
}

function describeOff({ triggers, triggersGoOn, workers }: Found): string[] {
  const names = triggers.map(({ name }) => name).join(", ");
  return [
    ...(names === ""
      ? []
      : [
          triggersGoOn === true
            ? `  goes on   trigger ${names}: it notes what changes, for --rollback`
            : `  off       trigger ${names}`,
        ]),
    ...(workers.vectorizer === undefined ? [] : [`  off       vectorizer ${workers.vectorizer}`]),
    ...(workers.cronJobs ?? []).map((job) => `  off       job ${job} of pg_cron`),
    ...(workers.messages === undefined
      ? []
      : [`  archived  messages of this table in the queue ${workers.messages.queue}`]),
  ];
}

export function describeProof({ model, sampled, agree, lowest }: Proof): string {
  return `Proof: ${agree} of ${sampled} texts have the vector that ${model} makes; lowest similarity ${lowest.toFixed(4)}.`;
}

export function describeAdopted({ source, adopted, queued, lent }: Adopted, { found }: AdoptPlan): string {
  return [
    found.kept.as === "chunks"
      ? `${source} is watched. ${lent} different chunks of ${found.tool} can lend their vectors.`
      : `${source} is watched. ${adopted} vectors were taken over; ${queued} rows were queued.`,
    `To embed what is left: ${invocation("backfill", ["--source", source])}`,
    `To go back: ${isSwitchedOff(found) ? invocation("adopt", ["--rollback", source]) : invocation("unwatch", [source])}`,
  ].join("\n");
}

export function describeGivenBack({ source, triggers, cronJobs, pending, leftTable }: GivenBack): string {
  return [
    `${source} is no longer watched.`,
    ...(triggers.length === 0 ? [] : [`On again: trigger ${triggers.join(", ")}`]),
    ...cronJobs.map((job) => `On again: job ${job} of pg_cron`),
    ...(pending === 0
      ? []
      : [`${pending} rows keep an old vector, or none: touch them to have them embedded.`]),
    ...(leftTable === null ? [] : [`The vectors of pg-autoembed stay in ${leftTable}.`]),
  ].join("\n");
}
