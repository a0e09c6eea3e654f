import type { Fields, PerRole } from "./role.ts";

interface HostedService {
  readonly host: RegExp;
  /** Of its models, those that take the field. */
  readonly models: RegExp;
  readonly fields: PerRole<Fields>;
}

/** Services that know the role of a text by a field of the request, and put the right prefix before it themselves. */
const SERVICES: readonly HostedService[] = [
  {
    host: /^(?:api\.voyageai\.com|ai\.mongodb\.com)$/,
    models: /^voyage-/,
    fields: { document: { input_type: "document" }, query: { input_type: "query" } },
  },
  {
    host: /^api\.jina\.ai$/,
    models: /-v[34]\b/,
    fields: { document: { task: "retrieval.passage" }, query: { task: "retrieval.query" } },
  },
  {
    host: /^integrate\.api\.nvidia\.com$/,
    // There, a model's name may end with the role, and the field is left out.
    models: /(?<!-query|-passage)$/,
    fields: { document: { input_type: "passage" }, query: { input_type: "query" } },
  },
];

/** The fields by which the service at an address knows the role of the texts; undefined where none is known. */
export function hostedFields(baseUrl: string, model: string): PerRole<Fields> | undefined {
  const { hostname } = new URL(baseUrl);
  return SERVICES.find(({ host, models }) => host.test(hostname) && models.test(model))?.fields;
}
