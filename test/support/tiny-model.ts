import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** What the tiny model gives: a vector of its letters. */
export const TINY_DIMENSIONS = 8;
export const TINY_MOST_TOKENS = 64;

const LETTERS = Array.from("abcdefghijklmnopqrstuvwxyz0123456789");
/** A token per letter, and one for everything else. */
const VOCABULARY = [
  "[PAD]",
  "[UNK]",
  "[CLS]",
  "[SEP]",
  ...LETTERS,
  ...LETTERS.map((letter) => `##${letter}`),
];

/** Writes a model with which a text's tokens are looked up in a table. @returns the files' names and contents */
export function tinyModelFiles(): Readonly<Record<string, string | Buffer>> {
  return {
    "config.json": JSON.stringify({
      model_type: "bert",
      architectures: ["BertModel"],
      hidden_size: TINY_DIMENSIONS,
      max_position_embeddings: TINY_MOST_TOKENS,
    }),
    "tokenizer_config.json": JSON.stringify({ tokenizer_class: "BertTokenizer", model_max_length: 512 }),
    "tokenizer.json": JSON.stringify(tokenizer()),
    "onnx/model_quantized.onnx": onnxModel(),
  };
}

export async function writeTinyModel(folder: string): Promise<void> {
  await mkdir(join(folder, "onnx"), { recursive: true });
  for (const [name, content] of Object.entries(tinyModelFiles()))
    await writeFile(join(folder, name), content);
}

function tokenizer(): object {
  const special = (content: string) => ({ id: VOCABULARY.indexOf(content), content, special: true });
  const template = (name: string) => ({ SpecialToken: { id: name, type_id: 0 } });
  const tokenOf = (name: string) => ({ id: name, ids: [VOCABULARY.indexOf(name)], tokens: [name] });
  return {
    version: "1.0",
    added_tokens: VOCABULARY.slice(0, 4).map(special),
    normalizer: { type: "BertNormalizer", lowercase: true, clean_text: true, handle_chinese_chars: true },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: {
      type: "TemplateProcessing",
      single: [template("[CLS]"), { Sequence: { id: "A", type_id: 0 } }, template("[SEP]")],
      pair: [],
      special_tokens: { "[CLS]": tokenOf("[CLS]"), "[SEP]": tokenOf("[SEP]") },
    },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 1_000,
      vocab: Object.fromEntries(VOCABULARY.map((token, id) => [token, id])),
    },
  };
}

/** Protocol buffers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto has the numbers of the fields. */
function onnxModel(): Buffer {
  const values = Float32Array.from(
    { length: VOCABULARY.length * TINY_DIMENSIONS },
    (_, i) => Math.sin(i * i + 1) / 2,
  );
  const table = message([
    [1, VOCABULARY.length],
    [1, TINY_DIMENSIONS],
    [2, FLOAT],
    [8, "table"],
    [9, Buffer.from(values.buffer)],
  ]);
  const lookup = message([
    [1, "table"],
    [1, "input_ids"],
    [2, "last_hidden_state"],
    [4, "Gather"],
  ]);
  const graph = message([
    [1, lookup],
    [2, "tiny"],
    [5, table],
    [11, tensorOf("input_ids", INT64, ["batch", "sequence"])],
    [11, tensorOf("attention_mask", INT64, ["batch", "sequence"])],
    [12, tensorOf("last_hidden_state", FLOAT, ["batch", "sequence", TINY_DIMENSIONS])],
  ]);
  const operators = message([
    [1, ""],
    [2, 13],
  ]);
  return message([
    [1, 8],
    [7, graph],
    [8, operators],
  ]);
}

const FLOAT = 1;
const INT64 = 7;

function tensorOf(name: string, type: number, shape: readonly (string | number)[]): Buffer {
  const dimensions = shape.map((size): Field => [1, message([[typeof size === "number" ? 1 : 2, size]])]);
  const tensor = message([
    [1, type],
    [2, message(dimensions)],
  ]);
  return message([
    [1, name],
    [2, message([[1, tensor]])],
  ]);
}

type Field = readonly [number: number, value: number | string | Buffer];

function message(fields: readonly Field[]): Buffer {
  return Buffer.concat(
    fields.flatMap(([number, value]) => {
      if (typeof value === "number") return [varint(number << 3), varint(value)];
      const bytes = Buffer.from(value);
      return [varint((number << 3) | 2), varint(bytes.length), bytes];
    }),
  );
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}
