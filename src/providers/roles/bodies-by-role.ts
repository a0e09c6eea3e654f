import { hostedFields } from "./hosted-fields.ts";
import type { Fields, PerRole, Role } from "./role.ts";

interface BodySettings {
  readonly baseUrl: string;
  readonly model: string;
  /** For every request. */
  readonly extraBody?: Fields | undefined;
  /** Merged over it for texts in one role. */
  readonly roleBodies?: Partial<Readonly<Record<Role, Fields | undefined>>>;
}

interface Bodies {
  /** What is sent with texts in each role. */
  readonly shape: PerRole<Fields>;
  /** The part of it by which the service knows the role; undefined where there is none. */
  readonly roleFields: PerRole<Fields> | undefined;
  /** See `Backend.addsFields`. */
  readonly addsFields: boolean;
}

/** A field that the service is known for, unless a setting has that field too. */
export function bodiesByRole({ baseUrl, model, extraBody, roleBodies = {} }: BodySettings): Bodies {
  const hosted = hostedFields(baseUrl, model);
  const bodyOf = (role: Role): Fields => ({ ...hosted?.[role], ...extraBody, ...roleBodies[role] });
  const shape = { document: bodyOf("document"), query: bodyOf("query") };
  const names = Object.keys({ ...hosted?.query, ...roleBodies.document, ...roleBodies.query });
  const part = (body: Fields): Fields =>
    Object.fromEntries(Object.entries(body).filter(([name]) => names.includes(name)));
  return {
    shape,
    roleFields: names.length === 0 ? undefined : { document: part(shape.document), query: part(shape.query) },
    addsFields: Object.entries(shape.document).some(([name, value]) => extraBody?.[name] !== value),
  };
}
