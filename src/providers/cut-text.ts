/** The first `characters` UTF-16 units of a text, one less where that would tear a surrogate pair. */
export function cutText(text: string, characters: number): string {
  if (text.length <= characters) return text;
  const last = text.charCodeAt(characters - 1);
  const torn = last >= 0xd800 && last <= 0xdbff;
  return text.slice(0, torn ? characters - 1 : characters);
}

/** The first `characters` characters of a text, counted as Postgres counts them: a surrogate pair is one. */
export function cutToCharacters(text: string, characters: number): string {
  if (text.length <= characters) return text;
  let end = 0;
  for (let n = 0; n < characters && end < text.length; n++)
    end += (text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1;
  return text.slice(0, end);
}
