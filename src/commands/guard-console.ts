import pc from "picocolors";

/** The colours of our own lines, or a character that could drive the terminal. */
// eslint-disable-next-line no-control-regex -- they are what is looked for
const DRIVES = /\u001b\[3[1239]m|(?![\n\t])[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu;

/**
 * From now on what is printed drives no terminal, whatever names and values of the database are in it. In JSON it stays
 * the same value: these characters occur in strings only.
 */
export function guardConsole(): void {
  for (const method of ["log", "error"] as const) {
    const print = console[method].bind(console);
    console[method] = (...parts: unknown[]) => {
      print(...parts.map((part) => (typeof part === "string" ? escapeControls(part) : part)));
    };
  }
}

function escapeControls(text: string): string {
  return text.replace(DRIVES, (found) =>
    found.length > 1 && pc.isColorSupported ? found : `\\u${hex(found)}${found.slice(1)}`,
  );
}

function hex(found: string): string {
  return found.charCodeAt(0).toString(16).padStart(4, "0");
}
