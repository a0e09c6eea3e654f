/** The first `characters` UTF-16 units of a text, one less where that would tear a surrogate pair. */
export function cutText(text: string, characters: number): string {
  if (text.length <= characters) return text;
  const last = text.charCodeAt(characters - 1);
  const torn = last >= 0xd800 && last <= 0xdbff;
  return text.slice(0, torn ? characters - 1 : characters);
}
