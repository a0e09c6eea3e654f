import { formatDuration } from "../../timing/format-duration.ts";

/** 12,345 */
export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** 980, 12.3 k, 4.56 M: for figures that are read at a glance. */
export function brief(value: number): string {
  if (value < 10_000) return count(value);
  if (value < 1e6) return `${(value / 1e3).toPrecision(3)} k`;
  return value < 1e9 ? `${(value / 1e6).toPrecision(3)} M` : `${(value / 1e9).toPrecision(3)} G`;
}

/** 45 ms, 2.1 s, 3 min 5 s */
export function span(seconds: number): string {
  if (seconds < 1) return `${String(Math.round(seconds * 1000))} ms`;
  return seconds < 10 ? `${seconds.toFixed(1)} s` : formatDuration(seconds);
}

/** 99.9 %. Never rounds up to 100 %. */
export function percent(part: number, whole: number): string {
  if (whole === 0 || part >= whole) return "100 %";
  return `${(Math.floor((1000 * part) / whole) / 10).toFixed(1)} %`;
}

/** In the currency of the price: 12.34, or 0.0021 for small amounts. */
export function cost(tokens: number, pricePerMillion: number): string {
  const amount = (tokens / 1e6) * pricePerMillion;
  return amount > 0 && amount < 0.1 ? amount.toPrecision(2) : amount.toFixed(2);
}
