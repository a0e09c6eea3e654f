import { html, type Html } from "./html.ts";

interface Button {
  readonly action: "/pause" | "/resume" | "/retry" | "/row";
  /** Sent in the body of the request, and so in no address. */
  readonly fields: Readonly<Record<string, string | undefined>>;
  readonly label: string | Html;
  /** What a screen reader says. */
  readonly name: string;
  readonly kind?: "link";
  /** Of the form, where inputs elsewhere on the page belong to it. */
  readonly id?: string;
}

/** Every form of the page needs `Guard.formToken`. */
export type PostButton = (button: Button) => Html;

/** A button that posts a form of its own. */
export function postButtons(formToken: string): PostButton {
  return ({ action, fields, label, name, kind, id }) =>
    html`<form method="post" action="${action}" ${id !== undefined && html`id="${id}"`}>
      ${hiddenFields({ ...fields, token: formToken })}<button
        ${kind !== undefined && html`class="${kind}"`}
        aria-label="${name}"
      >
        ${label}
      </button>
    </form>`;
}

/** A value that is undefined is left out. */
export function hiddenFields(fields: Readonly<Record<string, string | undefined>>): Html[] {
  return Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [html`<input type="hidden" name="${name}" value="${value}" />`],
  );
}

interface ChosenRow {
  readonly source: string;
  readonly key: string;
}

/** A row as the value of a tick box. */
export function chosenRow({ source, key }: ChosenRow): string {
  return new URLSearchParams({ source, key }).toString();
}

/** The rows that are ticked in a form. */
export function chosenRows(form: URLSearchParams): ChosenRow[] {
  return form.getAll("row").flatMap((value) => {
    const row = new URLSearchParams(value);
    const [source, key] = [row.get("source"), row.get("key")];
    return source === null || key === null ? [] : [{ source, key }];
  });
}

/** A row's key, which leads to the row's page. */
export function rowLink(post: PostButton, source: string, key: string): Html {
  const label = html`<code>${key}</code>`;
  return post({
    action: "/row",
    fields: { source, key },
    label,
    name: `Row ${key} of ${source}`,
    kind: "link",
  });
}

export function pauseButton(post: PostButton, source: string, paused: boolean, from?: "source"): Html {
  const label = paused ? "Resume" : "Pause";
  const action = paused ? "/resume" : "/pause";
  return post({ action, fields: { source, from }, label, name: `${label} ${source}` });
}

/** The address of a source's page. */
export function sourceAddress(name: string): string {
  return `/source?name=${encodeURIComponent(name)}`;
}
