const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
/** Marks the number of a string that was taken out: DEL, which JSON allows and no server sends. */
const MARK = "\u007f";
/** Strings of at least this many bytes are taken out: a vector of 48 floats in base64 is longer, the name of a field is not. */
const LONG = 256;

/**
 * The result of `JSON.parse` on `answer`, UTF-8 with or without a byte order mark, at less than half the cost where most
 * of it is long strings, such as vectors in base64: they are cut out before the rest is parsed. Undefined where the body
 * is no JSON; the parser's own message would quote the body, which may hold a text.
 */
export function parseJson(answer: Buffer): unknown {
  const marked = answer.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK);
  const body = marked ? answer.subarray(BYTE_ORDER_MARK.length) : answer;
  try {
    // With an escape in the body, a quote may not end a string; with a mark in it, one of its strings could look like ours.
    const isPlain = body.length >= LONG && !body.includes(BACKSLASH) && !body.includes(MARK);
    return isPlain ? parseWithoutLongStrings(body) : JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}

function parseWithoutLongStrings(body: Buffer): unknown {
  const strings: string[] = [];
  let rest = "";
  let from = 0;
  for (let open = body.indexOf(QUOTE); open !== -1;) {
    const close = body.indexOf(QUOTE, open + 1);
    if (close === -1) return undefined;
    if (close - open > LONG) {
      rest += body.toString("utf8", from, open + 1) + MARK + String(strings.length);
      strings.push(body.toString("utf8", open + 1, close));
      from = close;
    }
    open = body.indexOf(QUOTE, close + 1);
  }
  rest += body.toString("utf8", from);
  return JSON.parse(rest, (_key, value: unknown) =>
    typeof value === "string" && value.startsWith(MARK) ? strings[Number(value.slice(1))] : value,
  );
}
