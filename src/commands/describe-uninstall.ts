import { fateOfSample, type Plan } from "../uninstall/plan.ts";
import { describeListener } from "../uninstall/stop-listeners.ts";

/** What an uninstall removes and what stays, with sizes; names of objects, and no value of a row. */
export function describeUninstall(plan: Plan): string {
  const { triggers, relations, routines, removed, stays, listeners, sample, withVectors } = plan;
  const fate = fateOfSample(plan);
  const stay = [
    ...stays.map(({ name, bytes, statement, staysBecause }) => [
      sized(name, bytes),
      ...(withVectors && staysBecause !== null ? [`  since ${staysBecause}`] : []),
      `  to remove it: ${statement};`,
    ]),
    ...(sample === null || fate === "dropped"
      ? []
      : [
          [
            sized(
              `table public.patient_embeddings, with its rows${fate === "kept" ? " and vectors" : ""}`,
              sample.bytes,
            ),
            "  to remove it: drop table public.patient_embeddings;",
          ],
        ]),
    ["extension vector", "  to remove it, if nothing else uses it: drop extension vector;"],
  ].flat();
  return [
    "To be removed:",
    ...triggers.map(({ table, triggers: names }) => `  triggers of ${table}: ${names.join(", ")}`),
    `  schema autoembed, with ${routines.length} functions and`,
    ...relations.map(({ kind, name, bytes }) => `    ${sized(`${kind} ${name}`, bytes)}`),
    ...(fate === "dropped"
      ? [`  ${sized("table public.patient_embeddings, which is empty", sample?.bytes ?? 0)}`]
      : []),
    ...(fate === "emptied"
      ? [`  ${sized("vectors of public.patient_embeddings", sample?.vectorBytes ?? 0)}`]
      : []),
    ...removed.map(({ name, bytes }) => `  ${sized(name, bytes)}`),
    "Stays:",
    ...stay.map((line) => `  ${line}`),
    ...(listeners.length === 0 ? [] : ["Running listeners, which are stopped first:"]),
    ...listeners.map((listener) => `  ${describeListener(listener)}`),
  ].join("\n");
}

function sized(name: string, bytes: number): string {
  if (bytes === 0) return name;
  const megabytes = bytes / 1_000_000;
  return `${name} (${megabytes < 0.1 ? `${Math.ceil(bytes / 1_000)} kB` : `${megabytes.toFixed(1)} MB`})`;
}
