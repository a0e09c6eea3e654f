import { createServer } from "node:http";
import { once } from "node:events";
import { appendFile, mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { transformers } from "../../src/providers/backends/transformers.ts";
import type { TransformersSettings } from "../../src/providers/backends/transformers-settings.ts";
import { destinationOf } from "../../src/providers/destination.ts";
import { fingerprintOf } from "../../src/providers/fingerprint.ts";
import { openProvider } from "../../src/providers/provider-stack.ts";
import type { EmbedResult } from "../../src/providers/isolate/embed-result.ts";
import { NO_OVERRIDES, resolveProviderSettings } from "../../src/providers/resolve-provider-settings.ts";
import { skippedTitle } from "../support/skipped-suites.ts";
import {
  TINY_DIMENSIONS,
  TINY_MOST_TOKENS,
  tinyModelFiles,
  writeTinyModel,
  type TinyOutput,
} from "../support/tiny-model.ts";
import { installWithTransformers, WITHOUT_TRANSFORMERS } from "../support/transformers-library.ts";

const never = new AbortController().signal;
const copy = await installWithTransformers();
afterAll(() => copy?.remove());

function config(environment: Readonly<Record<string, string>> = {}): ReturnType<typeof readConfig> {
  return readConfig({ EMBEDDING_BACKEND: "transformers", ...environment });
}

test("The default model is sent the prefix of its family, pooled as it was trained, and nothing leaves the process", async () => {
  expect(resolveProviderSettings(config())).toMatchObject({
    model: "Xenova/bge-small-en-v1.5",
    revision: "main",
    dtype: "q8",
    pooling: "cls",
    download: true,
  });
  const destination = await destinationOf(config(), NO_OVERRIDES);
  expect(destination).toMatchObject({ address: null, keys: [] });
  expect(destination.sent.query.prefix).toBe("Represent this sentence for searching relevant passages: ");
});

test("A source's own settings replace those of the environment, whose folder is only its own model's", () => {
  const environment = config({
    EMBED_TRANSFORMERS_MODEL_PATH: "/models/bge",
    EMBED_TRANSFORMERS_POOLING: "mean",
    EMBED_TRANSFORMERS_REVISION: "v1",
  });
  const own = { ...NO_OVERRIDES, model: "Xenova/multilingual-e5-small" };
  const another = resolveProviderSettings(environment, {
    ...own,
    settings: { dtype: "fp32", max_tokens: 128 },
  });
  expect(another).toMatchObject({ dtype: "fp32", maxTokens: 128, pooling: "mean", revision: "main" });
  expect(another).toMatchObject({ modelPath: undefined });
  const settings = { model_path: "/models/e5", pooling: "cls", revision: "abc", download: false };
  expect(resolveProviderSettings(environment, { ...own, settings })).toMatchObject({
    modelPath: "/models/e5",
    pooling: "cls",
    revision: "abc",
    download: false,
  });
  expect(() => resolveProviderSettings(environment, { ...own, settings: { cache_dir: "/etc" } })).toThrow(
    /The source's settings have a fault/,
  );
});

test("Two models of one name in folders have vectors of their own names, and one model has its own wherever it lies", async () => {
  const folder = await mkdtemp(join(tmpdir(), "autoembed-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const nameOf = (path: string): string => {
    const settings = resolveProviderSettings(config({ EMBED_TRANSFORMERS_MODEL_PATH: join(folder, path) }));
    return fingerprintOf(transformers.open(settings as TransformersSettings), "document", TINY_DIMENSIONS);
  };
  for (const path of ["a", "copy", "other"]) await writeTinyModel(join(folder, path));
  await appendFile(join(folder, "other/onnx/model_quantized.onnx"), "more");
  expect(nameOf("copy")).toBe(nameOf("a"));
  expect(nameOf("other")).not.toBe(nameOf("a"));
  await appendFile(join(folder, "copy/config.json"), " ");
  expect(nameOf("copy")).not.toBe(nameOf("a"));
});

test.each(["../secrets", "/etc/model", "https://example.com/model", "a/b/c"])(
  "A model that is called %s is refused, with the setting that names a folder",
  (model) => {
    expect(() => resolveProviderSettings(config({ EMBED_TRANSFORMERS_MODEL: model }))).toThrow(
      /is no name of a model/,
    );
  },
);

test("Where the library is not installed, the command is named that installs it", async () => {
  await expect(openProvider(resolveProviderSettings(config()))).rejects.toMatchObject({
    kind: "setup",
    message: expect.stringContaining("npm install @huggingface/transformers") as string,
  });
});

const [reason, remedy] = WITHOUT_TRANSFORMERS;
const suite = "A model that transformers loads";
if (copy === undefined) {
  describe.skip(skippedTitle(suite, reason, remedy), () => {
    test("not run", () => undefined);
  });
} else {
  const { folder, providers, bisection } = copy;
  const folderOf = (name: string): string => join(folder, name);
  const settings = (environment: Readonly<Record<string, string>>) =>
    resolveProviderSettings(
      config({
        EMBED_TRANSFORMERS_MODEL: "tiny/letters",
        EMBED_TRANSFORMERS_CACHE_DIR: folderOf("cache"),
        ...environment,
      }),
    );

  describe(suite, () => {
    test.each([
      ["fail", "refused", 0],
      ["truncate", "embedded", 1],
    ] as const)(
      "A text of more tokens than the model takes is not cut in silence: with %s it is %s",
      async (onTooLong, outcome, truncated) => {
        await writeTinyModel(folderOf("model"));
        const provider = await providers.openProvider(
          settings({ EMBED_TRANSFORMERS_MODEL_PATH: folderOf("model") }),
        );
        onTestFinished(() => provider.close());
        const results: EmbedResult[] = [];
        const texts = ["asthma", "x  ".repeat(TINY_MOST_TOKENS), "a cough"];
        await bisection.embedWithBisection(provider, texts, never, (result) => void results.push(result), {
          onTooLong,
        });
        const embedded = results.flatMap((result) => (result.kind === "embedded" ? result.indices : []));
        expect(embedded.toSorted()).toEqual(outcome === "embedded" ? [0, 1, 2] : [0, 2]);
        const cut = results.flatMap((result) => (result.kind === "embedded" ? result.truncated : []));
        expect(cut).toHaveLength(truncated);
        const refused = results.filter((result) => result.kind === "refused");
        expect(refused.map(({ error }) => error.message)).toEqual(
          outcome === "embedded"
            ? []
            : [expect.stringContaining("has 66 tokens, and 64 are allowed") as string],
        );
      },
    );

    test.each<[readonly TinyOutput[], "the mean of its tokens" | "its own vector"]>([
      [["last_hidden_state"], "the mean of its tokens"],
      [["token_embeddings"], "the mean of its tokens"],
      [["sentence_embedding"], "its own vector"],
      [["token_embeddings", "sentence_embedding"], "its own vector"],
      [["last_hidden_state", "sentence_embedding"], "its own vector"],
      [["logits", "last_hidden_state"], "the mean of its tokens"],
    ])("Of a model that gives %j a text gets %s", async (outputs, expected) => {
      const sign = expected === "its own vector" ? -1 : 1;
      const [usual, vector] = await Promise.all([
        vectorBy("usual", ["last_hidden_state"]),
        vectorBy(outputs.join("-and-"), outputs),
      ]);
      expect(Math.hypot(...vector)).toBeCloseTo(1);
      for (const [i, value] of vector.entries()) expect(value).toBeCloseTo(sign * (usual[i] ?? 0));
    });

    test("A model that gives no vectors is not one for embeddings, which is said", async () => {
      await expect(vectorBy("classifier", ["logits"])).rejects.toMatchObject({
        kind: "setup",
        message: expect.stringContaining(
          "gives logits, and none of sentence_embedding, last_hidden_state, token_embeddings",
        ) as string,
      });
    });

    async function vectorBy(name: string, outputs: readonly TinyOutput[]): Promise<number[]> {
      await writeTinyModel(folderOf(name), outputs);
      const provider = await providers.openProvider(
        settings({ EMBED_TRANSFORMERS_MODEL_PATH: folderOf(name), EMBED_TRANSFORMERS_POOLING: "mean" }),
      );
      onTestFinished(() => provider.close());
      const { vectors } = await provider.embed(["a wheeze"], "document", never);
      return [...vectors.at(0)];
    }

    test("A model is downloaded once, which is said, and needs no network from then on", async () => {
      const host = await serveModel();
      const environment = { EMBED_TRANSFORMERS_HOST: host.url };
      const warnings: string[] = [];
      const listen = (warning: Error): void => void warnings.push(warning.message);
      process.on("warning", listen);
      onTestFinished(() => void process.off("warning", listen));

      const provider = await providers.openProvider(settings(environment));
      expect(provider.dimensions).toBe(TINY_DIMENSIONS);
      await provider.close();
      await expect
        .poll(() => warnings)
        .toEqual([
          `Downloading the model tiny/letters from ${host.url} to ${folderOf("cache")}, where it is kept.`,
        ]);
      host.close();
      for (const download of ["true", "false"]) {
        const again = await providers.openProvider(
          settings({ ...environment, EMBED_TRANSFORMERS_DOWNLOAD: download }),
        );
        await again.close();
      }
      expect(warnings).toHaveLength(1);
    });

    test.each([
      [
        "a folder without a model",
        { EMBED_TRANSFORMERS_MODEL_PATH: "/nowhere" },
        "setup",
        /there is no \/nowhere\/config\.json/,
      ],
      [
        "files that were never downloaded",
        { EMBED_TRANSFORMERS_DOWNLOAD: "false", EMBED_TRANSFORMERS_MODEL: "tiny/other" },
        "setup",
        /EMBED_TRANSFORMERS_DOWNLOAD=false/,
      ],
      [
        "a host that is down",
        { EMBED_TRANSFORMERS_HOST: "http://127.0.0.1:9", EMBED_TRANSFORMERS_MODEL: "tiny/other" },
        "unavailable",
        /cannot be downloaded from http:\/\/127\.0\.0\.1:9 .*EMBED_TRANSFORMERS_MODEL_PATH/,
      ],
    ])("With %s the error says what to do", async (_, environment, kind, message) => {
      await expect(providers.openProvider(settings(environment))).rejects.toMatchObject({
        kind,
        message: expect.stringMatching(message) as string,
      });
    });
  });
}

/** Serves the tiny model as Hugging Face does. */
async function serveModel(): Promise<{ url: string; close: () => void }> {
  const files = tinyModelFiles();
  const server = createServer((request, response) => {
    const name = request.url?.replace("/tiny/letters/resolve/main/", "") ?? "";
    const content = files[name];
    response.writeHead(content === undefined ? 404 : 200, { connection: "close" });
    response.end(request.method === "HEAD" ? undefined : content);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = (): void => void server.close();
  onTestFinished(close);
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close };
}
