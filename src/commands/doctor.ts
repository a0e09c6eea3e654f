import pc from "picocolors";
import { examineColumns } from "../doctor/examine-columns.ts";
import { examineConstraints } from "../doctor/examine-constraints.ts";
import { examineDatabase } from "../doctor/examine-database.ts";
import { examineGrants } from "../doctor/examine-grants.ts";
import { examineEncryption } from "../doctor/examine-encryption.ts";
import { examineFunctions } from "../doctor/examine-functions.ts";
import { examineIndexes } from "../doctor/examine-indexes.ts";
import { examineListening } from "../doctor/examine-listening.ts";
import { examineReranker } from "../doctor/examine-reranker.ts";
import { examineServer } from "../doctor/examine-server.ts";
import { examineSource } from "../doctor/examine-source.ts";
import { examineStrays } from "../doctor/examine-strays.ts";
import { examineTables } from "../doctor/examine-tables.ts";
import { examineDefiners } from "../doctor/examine-trust.ts";
import { ok, problem, type Finding } from "../doctor/finding.ts";
import { invocation } from "../invocation.ts";
import { loadSources } from "../sources/load-sources.ts";
import { JSON_OPTION, parseCommand, type Command, type Options } from "./command.ts";
import { withDatabase } from "./with-database.ts";

const OPTIONS = {
  json: JSON_OPTION,
} as const satisfies Options;

export const doctor: Command = {
  usage: invocation("doctor", "[--json]"),
  summary:
    "check the database, the triggers, the indexes, the vectors and the provider; report each problem and what to do",
  options: OPTIONS,
  examples: [
    [invocation("doctor"), "a line per check, and what to do about each problem"],
    [invocation("doctor", "--json"), "for a program"],
  ],
  async run(args) {
    const { values } = parseCommand(doctor, args, { options: OPTIONS });
    return await withDatabase(async (db, config) => {
      const tables = await examineTables(db);
      if (tables.some(({ level }) => level === "problem")) return report(tables, values.json);
      const findings: Finding[] = [
        ...tables,
        ...(await examineServer(db)),
        ...(await examineFunctions(db)),
        ...(await examineIndexes(db)),
        ...(await examineColumns(db)),
        ...(await examineConstraints(db)),
        ...(await examineStrays(db)),
        ...(await examineDatabase(db)),
        ...(await examineEncryption(config)),
        ...(await examineGrants(db)),
        ...(await examineListening(db, config)),
        ...(await examineReranker(config)),
      ];
      const { usable, chunked, broken } = await loadSources(db);
      for (const source of [...chunked, ...usable])
        findings.push(...(await examineSource(db, config, source)));
      for (const { id, name, problem: reason } of broken) {
        findings.push(problem(`${name} cannot be embedded.`, reason));
        findings.push(...(await examineDefiners(db, id)));
      }
      if (usable.length + broken.length === 0) findings.push(ok("No table is watched yet"));
      return report(findings, values.json);
    });
  },
};

function report(findings: readonly Finding[], asJson: boolean): number {
  console.log(asJson ? JSON.stringify(findings) : findings.map(describe).join("\n"));
  return findings.some(({ level }) => level === "problem") ? 1 : 0;
}

function describe({ level, what, remedy }: Finding): string {
  const mark = { ok: pc.green("ok     "), warning: pc.yellow("warning"), problem: pc.red("PROBLEM") }[level];
  return `${mark}  ${what}${remedy === undefined ? "" : `\n         → ${remedy}`}`;
}
