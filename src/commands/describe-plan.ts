import type { Estimate, NoEstimate } from "../declared/estimate-backfill.ts";
import { differs, type Plan, type Step } from "../declared/plan.ts";
import { invocation } from "../invocation.ts";
import { describeCost, describeTime } from "./describe-dry-run.ts";

/** A plan for people. @param counted false if no rows were counted */
export function describePlan(plan: Plan, counted: boolean): string {
  const { file, steps, problems, notes, not_declared: others } = plan;
  const differing = steps.filter(({ step }) => step !== "backfill");
  const backfills = steps.filter(({ step }) => step === "backfill");
  return [
    differs(plan)
      ? `The database is not as ${file} declares it:`
      : `No difference: the database is as ${file} declares it.`,
    ...problems.flatMap(({ source, problem, remedy }) => [
      `  problem   ${source}: ${problem}`,
      `            ${remedy}`,
    ]),
    ...differing.flatMap(describeStep),
    ...(backfills.length === 0 ? [] : ["Rows without a current vector (an estimate; nothing was sent):"]),
    ...backfills.flatMap(describeStep),
    ...(counted ? [] : ["Rows were not counted."]),
    ...notes,
    ...(others.length === 0 ? [] : [`Not declared, left alone: ${others.join(", ")}`]),
  ].join("\n");
}

/** The command that does what a plan says; undefined if it has nothing to do. */
export function describeRemedy({ steps, problems }: Plan): string | undefined {
  if (problems.length > 0 || steps.every(({ step }) => step === "remodel")) return undefined;
  const unwatches = steps.some(({ step }) => step === "unwatch");
  return `To do this: ${invocation("apply", unwatches ? "--prune" : "")}`;
}

function describeStep(step: Step): string[] {
  switch (step.step) {
    case "unwatch":
      return [`  unwatch   ${step.source}: its table and its vectors stay as they are`];
    case "watch":
      return step.differences.length === 0
        ? [`  watch     ${step.source}: ${step.options.text} of ${step.options.table}`]
        : step.differences.map(
            ({ part, from, to }) => `  change    ${step.source}: ${part} from ${from} to ${to}`,
          );
    case "remodel":
      return [
        ...step.differences.map(({ from, to }) => `  remodel   ${step.source}: from ${from} to ${to}`),
        ...(step.estimate === null ? [] : [`            ${describeEstimate(step.estimate)}`]),
        ...(step.kept.length === 0
          ? []
          : [
              `            It keeps ${step.kept.join(", ")}, which the file leaves out: write there what is wanted instead.`,
            ]),
        `            Not done by apply: ${step.command}`,
      ];
    case "backfill":
      return [`  backfill  ${step.source}: ${describeEstimate(step.estimate)}`];
    case "index":
      return [`  index     ${step.source}: HNSW, built after the backfill without blocking`];
  }
}

/** Rows, tokens, time and cost, in one line. */
export function describeEstimate(estimate: Estimate | NoEstimate): string {
  if ("unknown" in estimate) return `not estimated: ${estimate.unknown}`;
  const { report, textsToCut } = estimate;
  return [
    textsToCut > 0 ? `${textsToCut} texts to cut into chunks` : `${report.rows} rows`,
    `about ${report.tokens} tokens`,
    `time ${describeTime(report)}`,
    `cost ${describeCost(report)}`,
  ].join("; ");
}
