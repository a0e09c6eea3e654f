/** A made-up patient. */
export interface SyntheticPatient {
  readonly patient_id: number;
  readonly context_text: string;
}

const CONDITIONS = [
  {
    name: "type 2 diabetes mellitus",
    lab: ["HbA1c", 6.1, 11.4, "%"],
    drugs: ["metformin 1 g twice daily", "insulin glargine 20 units at night", "empagliflozin 10 mg"],
    note: "Numbness in both feet; eye screening due.",
  },
  {
    name: "congestive heart failure",
    lab: ["NT-proBNP", 300, 9000, "pg/mL"],
    drugs: ["furosemide 40 mg", "bisoprolol 5 mg", "sacubitril/valsartan 49/51 mg"],
    note: "Ankle swelling and breathless when lying flat.",
  },
  {
    name: "asthma",
    lab: ["peak flow", 180, 520, "L/min"],
    drugs: ["salbutamol inhaler as needed", "budesonide/formoterol inhaler twice daily"],
    note: "Wheezes at night and after exercise; cat at home.",
  },
  {
    name: "chronic obstructive pulmonary disease",
    lab: ["FEV1", 28, 75, "% predicted"],
    drugs: ["tiotropium inhaler", "home oxygen 2 L/min"],
    note: "Smoked forty pack years; two exacerbations last winter.",
  },
  {
    name: "rheumatoid arthritis",
    lab: ["CRP", 4, 88, "mg/L"],
    drugs: ["methotrexate 15 mg weekly", "adalimumab every two weeks"],
    note: "Swollen knuckles and morning stiffness for an hour.",
  },
  {
    name: "chronic kidney disease",
    lab: ["eGFR", 14, 58, "mL/min"],
    drugs: ["ramipril 5 mg", "sodium bicarbonate 500 mg"],
    note: "Discussed dialysis and transplant options.",
  },
  {
    name: "migraine with aura",
    lab: ["headache days a month", 3, 16, ""],
    drugs: ["sumatriptan 50 mg as needed", "propranolol 80 mg"],
    note: "Zigzag lights, then one-sided throbbing and vomiting.",
  },
  {
    name: "hypothyroidism",
    lab: ["TSH", 0.4, 18, "mIU/L"],
    drugs: ["levothyroxine 75 micrograms"],
    note: "Tired, cold and gaining weight.",
  },
  {
    name: "major depression",
    lab: ["PHQ-9", 4, 24, ""],
    drugs: ["sertraline 100 mg", "cognitive behavioural therapy"],
    note: "Low mood and early waking since a bereavement.",
  },
  {
    name: "atrial fibrillation",
    lab: ["heart rate", 62, 148, "bpm"],
    drugs: ["apixaban 5 mg twice daily", "diltiazem 120 mg"],
    note: "Irregular pulse and palpitations; no previous stroke.",
  },
  {
    name: "epilepsy",
    lab: ["seizures last year", 0, 9, ""],
    drugs: ["lamotrigine 100 mg twice daily", "levetiracetam 500 mg twice daily"],
    note: "Does not drive; last seizure on waking.",
  },
  {
    name: "osteoporosis",
    lab: ["T-score", -3.9, -2.5, ""],
    drugs: ["alendronate 70 mg weekly", "vitamin D"],
    note: "Wrist fracture after a fall on ice.",
  },
] as const;
const HISTORIES = [
  "appendicectomy in childhood",
  "allergy to penicillin",
  "never smoked",
  "former smoker",
  "father died of a heart attack at 58",
  "lives alone, independent",
  "works night shifts",
  "two uncomplicated pregnancies",
  "hip replacement",
  "drinks ten units a week",
] as const;

/** Patients made up from a seed: the same seed gives the same patients, each with its own mixture of conditions. */
export function syntheticPatients(count: number, seed = 1): SyntheticPatient[] {
  const random = mulberry32(seed);
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
  return Array.from({ length: count }, (_, i) => {
    const { name, lab, drugs, note } = pick(CONDITIONS);
    const [measure, low, high, unit] = lab;
    const value = (low + random() * (high - low)).toFixed(high - low > 100 ? 0 : 1);
    const age = 19 + Math.floor(random() * 74);
    const sex = pick(["woman", "man"]);
    const context_text = `${age}-year-old ${sex} with ${name}. ${note} ${measure} ${value}${unit === "" ? "" : ` ${unit}`}. Takes ${pick(drugs)}. History: ${pick(HISTORIES)}.`;
    return { patient_id: i + 1, context_text };
  });
}

/** A small random number generator, from 0 to 1; public domain (Tommy Ettinger's mulberry32). */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
