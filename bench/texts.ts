const SENTENCES = [
  "Type 2 diabetes mellitus since 2009, HbA1c above target in spite of metformin and a low-carbohydrate diet.",
  "Congestive heart failure with swollen ankles and breathlessness when lying flat; furosemide was doubled in May.",
  "Wheezes at night and after exercise; keeps a cat and forgets the inhaler on most days of the week.",
  "Chronic kidney disease stage 3b with slowly falling eGFR; dialysis and transplantation were discussed.",
  "Zigzag lights before a one-sided throbbing headache, three to five days a month, sumatriptan helps within the hour.",
  "Irregular pulse and palpitations, apixaban twice daily, no previous stroke, tolerates diltiazem well.",
  "Low mood and early waking since a bereavement; sertraline was begun and a first talk with the therapist arranged.",
  "Swollen knuckles and an hour of morning stiffness; methotrexate weekly with folic acid on the next day.",
];

/** A distinct note of about 600 characters. */
export function noteOf(number: number): string {
  const start = number * 7;
  const sentences = Array.from(
    { length: 6 },
    (_, i) => SENTENCES[(start + i * (1 + (number % 3))) % SENTENCES.length],
  );
  return `Patient ${number}, seen on day ${number % 365}. ${sentences.join(" ")}`.slice(0, 600);
}
