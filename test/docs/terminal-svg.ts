/** What a terminal showed, as an animated picture: lines come as they came, and the last of them stay. */

/** Something that was shown at a time, in seconds since the beginning. */
export interface Shown {
  readonly at: number;
  readonly text: string;
  /** Typed by a person. */
  readonly isTyped?: boolean;
}

interface Line {
  readonly at: number;
  readonly text: string;
  readonly isTyped: boolean;
}

const COLUMNS = 96;
const ROWS = 22;
const CHARACTER = 8;
const LINE = 19;
const PADDING = 16;
/** From a line's bottom to where its letters stand. */
const DESCENT = 5;
/** A viewer does not wait for longer than this; the order of all that was shown stays. */
const LONGEST_PAUSE_S = 1.3;
const SHORTEST_PAUSE_S = 0.09;
const PAUSE_AFTER_COMMAND_S = 0.9;

const STYLE = `
.b{fill:#fbfcfd;stroke:#c9d1d9}.t{fill:#24292f}.c{fill:#0550ae;font-weight:600}
@media (prefers-color-scheme:dark){.b{fill:#10151c;stroke:#30363d}.t{fill:#d5dbe3}.c{fill:#79c0ff}}
text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;white-space:pre}
@keyframes s{from{visibility:hidden}to{visibility:visible}}
@media (prefers-reduced-motion:no-preference){.l{animation:s .01s linear both}}
`;

/** @param title says in words what the picture shows */
export function terminalSvg(shown: readonly Shown[], title: string): string {
  const lines = paced(linesOf(shown));
  const width = COLUMNS * CHARACTER + 2 * PADDING;
  const height = ROWS * LINE + 2 * PADDING;
  const texts = lines.map(
    ({ at, text, isTyped }, row) =>
      `<text class="l ${isTyped ? "c" : "t"}" x="${String(PADDING)}" y="${String((row + 1) * LINE - DESCENT)}" ` +
      `style="animation-delay:${at.toFixed(2)}s">${escaped(text)}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${String(width)} ${String(height)}" width="${String(width)}" height="${String(height)}" role="img" aria-labelledby="title">
<title id="title">${escaped(title)}</title>
<style>${STYLE}${scrolling(lines)}</style>
<rect class="b" x=".5" y=".5" width="${String(width - 1)}" height="${String(height - 1)}" rx="8"/>
<svg y="${String(PADDING)}" height="${String(ROWS * LINE)}" width="${String(width)}"><g class="all">
${texts.join("\n")}
</g></svg>
</svg>
`;
}

/** Moves all lines up by one for each that comes below the last row. */
function scrolling(lines: readonly Line[]): string {
  const end = lines.at(-1)?.at ?? 0;
  const moved = (rows: number): string => `transform:translateY(${String(-rows * LINE)}px)`;
  const last = Math.max(0, lines.length - ROWS);
  const steps = lines
    .map(({ at }, row) => ({ at, rows: row + 1 - ROWS }))
    .filter(({ rows }) => rows > 0)
    .map(({ at, rows }) => `${((100 * at) / end).toFixed(2)}%{${moved(rows)}}`);
  return (
    `.all{${moved(last)}}@keyframes m{0%{${moved(0)}}${steps.join("")}to{${moved(last)}}}` +
    `@media (prefers-reduced-motion:no-preference){.all{animation:m ${end.toFixed(2)}s step-end both}}`
  );
}

/** The lines of what was shown, as wide as the terminal, without colours, and without what npm says before each command. */
function linesOf(shown: readonly Shown[]): Line[] {
  const lines: Line[] = [];
  let open = "";
  for (const { at, text, isTyped = false } of shown) {
    const ended = plain(`${open}${text}`).split("\n");
    open = ended.pop() ?? "";
    for (const line of ended)
      lines.push(...wrapped(line.replace(/^.*\r/, "")).map((part) => ({ at, text: part, isTyped })));
  }
  const kept = lines.filter(({ text }) => !/^> \S/.test(text));
  return kept.filter(({ text }, i) => text !== "" || (kept[i - 1]?.text ?? "") !== "");
}

const ESCAPE = "\u001B";
const TO_FIRST_COLUMN = new RegExp(`${ESCAPE}\\[[01]?G`, "g");
const ANY_CONTROL = new RegExp(`${ESCAPE}(?:\\[[0-9;?]*[A-Za-z]|[78])`, "g");

/** Only the control characters \n and \r are left: where a line is drawn again, what was drawn last is after its last \r. */
function plain(text: string): string {
  return text
    .replaceAll(TO_FIRST_COLUMN, "\r")
    .replaceAll(ANY_CONTROL, "")
    .replaceAll(/\r+(?=\n)/g, "");
}

function wrapped(line: string): string[] {
  return line.trimEnd() === ""
    ? [""]
    : (line.trimEnd().match(new RegExp(`.{1,${String(COLUMNS)}}`, "g")) ?? []);
}

function paced(lines: readonly Line[]): Line[] {
  let at = 0;
  let before: Line | undefined;
  return lines.map((line) => {
    const pause = before === undefined ? 0 : line.at - before.at;
    const least = before?.isTyped === true ? PAUSE_AFTER_COMMAND_S : SHORTEST_PAUSE_S;
    at += Math.min(LONGEST_PAUSE_S, Math.max(least, pause));
    before = line;
    return { ...line, at };
  });
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
