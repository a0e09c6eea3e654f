/** Markup that is safe to send: only `html` makes it. */
export class Html {
  readonly markup: string;

  constructor(markup: string) {
    this.markup = markup;
  }
}

type Part = string | number | Html | undefined | false | readonly Part[];

/** A template whose values are escaped, but for those that are `Html` themselves; nothing is shown for undefined and false. */
export function html(strings: TemplateStringsArray, ...values: readonly Part[]): Html {
  return new Html(String.raw({ raw: strings }, ...values.map(render)));
}

function render(value: Part): string {
  if (value === undefined || value === false) return "";
  if (value instanceof Html) return value.markup;
  if (typeof value === "object") return value.map(render).join("");
  return String(value).replaceAll(/[&<>"']/g, (letter) => `&#${String(letter.charCodeAt(0))};`);
}
