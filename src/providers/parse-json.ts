const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
/** Stands before the number of a string that was taken out: DEL, which JSON allows and nobody writes. */
const MARK = "\u007f";
/** Strings from this many bytes on are taken out: a vector of 48 floats in base64, and no field's name. */
const LONG = 256;

/**
 * What `JSON.parse` makes of `answer`, UTF-8 with or without its mark, at less than half its cost where most of it is
 * long strings, as vectors in base64 are: they are cut out before the rest is parsed. Undefined where the body is no
 * JSON; the parser's own message would quote it, and it may quote a text.
 */
export function parseJson(answer: Buffer): unknown {
  const marked = answer.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK);
  const body = marked ? answer.subarray(BYTE_ORDER_MARK.length) : answer;
  try {
    // With an escape in it the quotes do not tell where strings end; with a mark, a string could be taken for one.
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
