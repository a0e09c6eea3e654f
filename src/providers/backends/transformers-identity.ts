import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { onnxFile, type TransformersSettings } from "./transformers-settings.ts";

/**
 * Tells the model in a folder from another that goes by the same name there or elsewhere, as a hash that is the same
 * wherever the folder lies. Undefined where the model is not from a folder, or its files are missing: it cannot be loaded.
 */
export function folderIdentity({
  modelPath,
  dtype,
}: Pick<TransformersSettings, "modelPath" | "dtype">): string | undefined {
  if (modelPath === undefined) return undefined;
  try {
    const hash = createHash("sha256");
    for (const file of ["config.json", "tokenizer.json"]) hash.update(readFileSync(join(modelPath, file)));
    return hash.update(String(statSync(join(modelPath, onnxFile(dtype))).size)).digest("hex");
  } catch {
    return undefined;
  }
}
