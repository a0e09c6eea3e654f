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

/** What a session of the tiny model gives. */
export type TinyOutput = "last_hidden_state" | "token_embeddings" | "sentence_embedding" | "logits";

/**
 * A model with which a text's tokens are looked up in a table. Its `sentence_embedding` is their mean, negated, so that it
 * is not what anybody else would make of them.
 * @returns the files' names and contents
 */
export function tinyModelFiles(
  outputs: readonly TinyOutput[] = ["last_hidden_state"],
): Readonly<Record<string, string | Buffer>> {
  return {
    "config.json": JSON.stringify({
      model_type: "bert",
      architectures: ["BertModel"],
      hidden_size: TINY_DIMENSIONS,
      max_position_embeddings: TINY_MOST_TOKENS,
    }),
    "tokenizer_config.json": JSON.stringify({ tokenizer_class: "BertTokenizer", model_max_length: 512 }),
    "tokenizer.json": JSON.stringify(tokenizer()),
    "onnx/model_quantized.onnx": onnxModel(outputs),
  };
}

export async function writeTinyModel(folder: string, outputs?: readonly TinyOutput[]): Promise<void> {
  await mkdir(join(folder, "onnx"), { recursive: true });
  for (const [name, content] of Object.entries(tinyModelFiles(outputs)))
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
function onnxModel(outputs: readonly TinyOutput[]): Buffer {
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
  const ofTheWhole = message([
    [1, "axes"],
    [8, 1],
    [20, INTS],
  ]);
  const withoutTokens = message([
    [1, "keepdims"],
    [3, 0],
    [20, INT],
  ]);
  const nodes = [
    node("Gather", ["table", "input_ids"], "looked up"),
    node("ReduceMean", ["looked up"], "mean", [ofTheWhole, withoutTokens]),
    ...outputs.map((name) =>
      name === "sentence_embedding" ? node("Neg", ["mean"], name) : node("Identity", ["looked up"], name),
    ),
  ];
  const graph = message([
    ...nodes.map((one): Field => [1, one]),
    [2, "tiny"],
    [5, table],
    [11, tensorOf("input_ids", INT64, ["batch", "sequence"])],
    [11, tensorOf("attention_mask", INT64, ["batch", "sequence"])],
    ...outputs.map((name): Field => {
      const shape = name === "sentence_embedding" ? ["batch"] : ["batch", "sequence"];
      return [12, tensorOf(name, FLOAT, [...shape, TINY_DIMENSIONS])];
    }),
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
/** Of an attribute. */
const INT = 2;
const INTS = 7;

function node(
  operator: string,
  inputs: readonly string[],
  output: string,
  attributes: readonly Buffer[] = [],
): Buffer {
  return message([
    ...inputs.map((input): Field => [1, input]),
    [2, output],
    [4, operator],
    ...attributes.map((attribute): Field => [5, attribute]),
  ]);
}

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
