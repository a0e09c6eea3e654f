import { readFileSync } from "node:fs";

/** One instruction of a Dockerfile: its name, and all that follows on its lines. */
interface Instruction {
  readonly name: string;
  readonly text: string;
}

export interface Copy {
  /** The stage that it copies from; undefined for the folder that the image is built in. */
  readonly from: string | undefined;
  readonly sources: readonly string[];
  readonly target: string;
}

export interface Stage {
  readonly name: string;
  readonly base: string;
  readonly instructions: readonly Instruction[];
}

/** Comments, continued lines and `FROM … AS …` are all of the syntax that ours uses. */
export function readStages(file = "Dockerfile"): Stage[] {
  const lines = readFileSync(file, "utf8")
    .replaceAll(/^#.*\n/gm, "")
    .replaceAll(/\\\n\s*/g, "");
  const instructions = [...lines.matchAll(/^(\w+) (.*)$/gm)].map(([, name = "", text = ""]) => ({
    name,
    text,
  }));
  const stages: { name: string; base: string; instructions: Instruction[] }[] = [];
  for (const instruction of instructions) {
    if (instruction.name !== "FROM") stages.at(-1)?.instructions.push(instruction);
    else {
      const [base = "", , name = ""] = instruction.text.split(" ");
      stages.push({ name, base, instructions: [] });
    }
  }
  return stages;
}

export function readCopy(text: string): Copy {
  const words = text.split(" ");
  const [, from] = /^--from=(\w+)$/.exec(words[0] ?? "") ?? [];
  const paths = from === undefined ? words : words.slice(1);
  return { from, sources: paths.slice(0, -1), target: paths.at(-1) ?? "" };
}

/** Whether .dockerignore lets a file of the folder through: it names what is let through, and nothing else. */
export function isSent(path: string, file = ".dockerignore"): boolean {
  const [first, ...rest] = readFileSync(file, "utf8").trim().split("\n");
  if (first !== "*" || rest.some((line) => !line.startsWith("!")))
    throw new Error(".dockerignore no longer ignores all but what it names");
  return rest.some((line) => path === line.slice(1) || path.startsWith(`${line.slice(1)}/`));
}
