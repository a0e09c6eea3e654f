/** Why a row fails whose text cannot be computed. @param fault the SQLSTATE that the expression raises */
export function unreadableText(fault: string): string {
  return `the text expression raises SQLSTATE ${fault} for this row: change the row, or the expression`;
}
