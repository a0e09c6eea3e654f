import type { DescribedModel } from "./described-model.ts";
import { inOrder } from "./in-order.ts";

/** What `remodel` has an option of its own for. */
const OPTIONS = ["base_url", "api_key_env", "document_prefix", "query_prefix"];

/** The options of `remodel` that make a source as it is declared. */
export interface RemodelOptions {
  readonly options: readonly string[];
  /** Settings that the file leaves out, and that `remodel` keeps: it removes none. */
  readonly kept: readonly string[];
}

/**
 * Only what differs: `remodel` keeps the rest of what the source has, and drops the prefixes of another model. With another
 * backend or server it keeps nothing.
 * @param dimensions those that are declared
 */
export function remodelOptions(
  before: DescribedModel,
  after: DescribedModel,
  dimensions: number | null,
): RemodelOptions {
  const isOtherBackend = after.id !== before.id;
  const isOtherServer = isOtherBackend || after.baseUrl !== before.baseUrl;
  const isOtherModel = isOtherServer || after.model !== before.model;
  const isOtherPrefix = (role: "document" | "query"): boolean => {
    const isOther = after.prefixes[role] !== before.prefixes[role];
    return after.own[`${role}_prefix`] === undefined ? isOther && !isOtherModel : isOther || isOtherModel;
  };
  const options: readonly (readonly [boolean, string, string | number | null | undefined])[] = [
    [isOtherBackend, "--backend", after.id],
    [isOtherModel, "--model", after.model],
    [true, "--dim", dimensions],
    [isOtherServer && (after.own.base_url !== undefined || !isOtherBackend), "--base-url", after.baseUrl],
    [isOtherServer || after.keyName !== before.keyName, "--api-key-env", after.keyName],
    [isOtherPrefix("document"), "--document-prefix", after.prefixes.document],
    [isOtherPrefix("query"), "--query-prefix", after.prefixes.query],
  ];
  const given = options.flatMap(([differs, option, value]) =>
    differs && value !== null && value !== undefined ? [option, String(value)] : [],
  );
  const settings = Object.entries(isOtherServer ? after.own : differing(after, before)).flatMap(
    ([name, value]) => (OPTIONS.includes(name) ? [] : ["--setting", `${name}=${JSON.stringify(value)}`]),
  );
  const isSameOrigin = !isOtherBackend && originOf(before) === originOf(after);
  return { options: [...given, ...settings], kept: isSameOrigin ? removed(before, after) : [] };
}

/** The settings of one that the other has in another way, or not at all. */
export function differing(one: DescribedModel, other: DescribedModel): Readonly<Record<string, unknown>> {
  const has: Readonly<Record<string, unknown>> = other.own;
  return Object.fromEntries(
    Object.entries(one.own).filter(
      ([name, value]) => JSON.stringify(inOrder([value])) !== JSON.stringify(inOrder([has[name]])),
    ),
  );
}

function removed(before: DescribedModel, after: DescribedModel): string[] {
  return Object.keys(before.own).filter((name) => !OPTIONS.includes(name) && !Object.hasOwn(after.own, name));
}

function originOf({ baseUrl }: DescribedModel): string | undefined {
  return baseUrl === undefined ? undefined : new URL(baseUrl).origin;
}
