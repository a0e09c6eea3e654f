/** A value that a user wrote, such as a key, as a terminal may show it: control characters could drive the terminal. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu, "\uFFFD");
}
