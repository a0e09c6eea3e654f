import { SetupError } from "../../errors.ts";
import { text } from "../../setting-types.ts";
import { defineBackend, ownBaseUrl } from "../backend-definition.ts";
import type { Backend, RawAnswer } from "../backend.ts";
import type { ErrorContext } from "../classify.ts";
import { decidingParameters } from "../deciding-parameters.ts";
import { JsonClient } from "../http.ts";
import type { CommonSettings, HttpSettings } from "../provider-settings.ts";
import type { OnReceived, ProviderLimits } from "../provider.ts";
import { readByTemplate } from "../rest/read-by-template.ts";
import { fill, fillText, placeholdersOf, variable, type Filling } from "../rest/placeholders.ts";
import { readTemplate, type RestTemplate } from "../rest/template.ts";
import type { Fields, PerRole, Role } from "../roles/role.ts";

/** Any service that answers JSON with JSON: a file describes its request and its answer. */
export interface RestSettings extends CommonSettings, HttpSettings {
  readonly backend: "rest";
  readonly model: string;
  readonly template: RestTemplate;
  /** The template's file, as messages call it. */
  readonly file: string;
}

const SIZE = { characters: 300_000, textCharacters: 100_000 };

class Rest implements Backend {
  readonly name = "rest";
  readonly model: string;
  readonly limits: ProviderLimits;
  readonly address: string;
  readonly parameters: Fields;
  readonly shape: PerRole<Fields>;
  readonly roleFields?: PerRole<Fields>;
  readonly #settings: RestSettings;
  readonly #client: JsonClient;

  constructor(settings: RestSettings) {
    const { model, template, limits } = settings;
    const { roles } = template;
    this.model = model;
    this.limits = { ...SIZE, inputs: template.max_inputs ?? 1, ...limits };
    this.#settings = settings;
    // Variables stay names here: what is in them may be secret, and the address is shown.
    const url = new URL(
      fillText(
        template.url,
        this.#filling([], "document", (name) => name),
        encodeURIComponent,
      ),
    );
    this.address = url.origin + url.pathname;
    this.parameters = decidingParameters(url);
    const shape = (role: Role): Fields => ({
      ...template.body,
      ...(roles === undefined ? {} : { "{{role}}": roles[role] }),
    });
    this.shape = { document: shape("document"), query: shape("query") };
    if (roles !== undefined)
      this.roleFields = { document: { role: roles.document }, query: { role: roles.query } };
    this.#client = new JsonClient(settings, {});
  }

  async ask(
    texts: readonly string[],
    role: Role,
    signal: AbortSignal,
    onReceived?: OnReceived,
  ): Promise<RawAnswer> {
    const { template, file } = this.#settings;
    const secrets: string[] = [];
    const filling = this.#filling(texts, role, (name) => {
      const value = variable(name, file);
      secrets.push(value);
      return value;
    });
    const headers = Object.fromEntries(
      Object.entries(template.headers).map(([name, value]) => [name.toLowerCase(), fillText(value, filling)]),
    );
    const url = new URL(fillText(template.url, filling, encodeURIComponent));
    const body = fill(template.body, filling);
    // A key that is written into the template is behind a word such as Bearer, or in the address.
    const written = [
      ...Object.values(headers).flatMap((value) => [value, ...value.split(/\s+/)]),
      ...url.searchParams.values(),
    ];
    const context = this.#context([...secrets, ...written]);
    const path = url.pathname + url.search;
    const answer = await this.#client.post(path, body, texts, context, signal, onReceived, headers);
    return readByTemplate(answer, template, file, texts, context);
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  #filling(texts: readonly string[], role: Role, env: Filling["env"]): Filling {
    const { model, template } = this.#settings;
    return { texts, model, role: template.roles?.[role] ?? "", env };
  }

  #context(secrets: readonly string[]): ErrorContext {
    const { model, file, template } = this.#settings;
    const variables = placeholdersOf([template.url, template.headers, template.body])
      .filter((name) => name.startsWith("env:"))
      .map((name) => name.slice("env:".length));
    const key = variables.length === 0 ? `the headers in ${file}` : [...new Set(variables)].join(" and ");
    const settings = { address: `the url in ${file}`, model: `the model in ${file}`, key };
    return { address: this.address, model, settings, secrets };
  }
}

export const rest = defineBackend({
  id: "rest",
  environment: { EMBED_REST_TEMPLATE: text.optional() },
  secrets: [],
  ofSource: ownBaseUrl,
  resolve: ({ environment, source, model, common, network }): RestSettings => {
    const { EMBED_REST_TEMPLATE: file } = environment;
    if (file === undefined) {
      throw new SetupError(
        "EMBED_REST_TEMPLATE is not set.",
        "The backend rest needs a file that describes the service's request: see docs/providers.md.",
      );
    }
    if (source.base_url !== undefined) {
      throw new SetupError(
        "A source with the backend rest has no address of its own.",
        "Its address is the url in EMBED_REST_TEMPLATE: watch the table again without --base-url.",
      );
    }
    const template = readTemplate(file);
    const baseUrl = new URL(/^https?:\/\/[^/?]+/.exec(template.url)?.[0] ?? template.url).origin;
    return {
      ...common,
      ...network,
      backend: "rest",
      model: model ?? template.model,
      baseUrl,
      template,
      file,
    };
  },
  open: (settings) => new Rest(settings),
});
