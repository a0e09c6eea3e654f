import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** Texts with questions, and a judgement of which texts answer them. */
export interface Collection {
  readonly name: string;
  readonly documents: ReadonlyMap<number, string>;
  readonly questions: readonly Question[];
}

export interface Question {
  readonly text: string;
  /** How well a document answers it, above 0; documents that are not here do not. */
  readonly relevant: ReadonlyMap<number, number>;
}

/** The Cranfield collection: 1,400 abstracts and 225 questions in plain English. @param folder has `cran.all`. */
export async function readCranfield(folder: string): Promise<Collection> {
  const read = async (file: string): Promise<string> => readFile(join(folder, file), "utf8");
  const judgements = new Map<number, Map<number, number>>();
  for (const line of (await read("cranqrel")).split("\n")) {
    const [question = 0, document = 0, grade = 0] = line.trim().split(/\s+/).map(Number);
    if (grade < 1) continue;
    judgements.set(question, (judgements.get(question) ?? new Map<number, number>()).set(document, grade));
  }
  const documents = records(await read("cran.all"));
  const questions = records(await read("cran.qry")).values();
  return {
    name: "Cranfield",
    documents,
    questions: [...questions].map((text, i) => ({ text, relevant: judgements.get(i + 1) ?? new Map() })),
  };
}

/** Clinical notes, each with a line that describes it: the question that should find the note. */
export async function readNotes(file: string): Promise<Collection> {
  const [, ...rows] = csvRows(await readFile(file, "utf8"));
  const notes = rows.map(([id, , description = "", note = ""]) => ({ id: Number(id), description, note }));
  return {
    name: "notes",
    documents: new Map(notes.map(({ id, note }) => [id, note])),
    questions: notes.map(({ id, description }) => ({ text: description, relevant: new Map([[id, 1]]) })),
  };
}

/** The texts (`.W`) of records that begin with `.I number`, by their number. */
function records(file: string): Map<number, string> {
  return new Map(
    file
      .split(/^\.I /m)
      .slice(1)
      .map((record) => [Number.parseInt(record, 10), (record.split(/^\.W\r?\n/m)[1] ?? "").trim()]),
  );
}

/** Fields in quotes may hold commas, line ends and doubled quotes. */
function csvRows(file: string): string[][] {
  const rows: string[][] = [[]];
  for (const [, quoted, plain, end] of file.matchAll(/(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\r?\n|$)/g)) {
    rows.at(-1)?.push(quoted?.replaceAll('""', '"') ?? plain ?? "");
    if (end !== ",") rows.push([]);
  }
  return rows.filter((row) => row.length > 1);
}
