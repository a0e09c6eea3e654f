/** What follows for rows: who searches is told something else (src/search/about-the-question.ts). */
export const TRIED_LATER = "It is tried again later; nothing is lost.";
export const SENT_SLOWER = "It is sent again at a lower rate.";
export const NOT_STORED = "Nothing of it was stored; it is tried again later.";
