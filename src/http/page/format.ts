import { formatDuration } from "../../timing/format-duration.ts";
import { html, type Html } from "./html.ts";

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

/** A time as its age, with the time itself for who points at it. @param at ISO 8601, UTC */
export function ago(at: string, now: Date): Html {
  const seconds = Math.max(0, (now.getTime() - Date.parse(at)) / 1000);
  return html`<time datetime="${at}" title="${at.slice(0, 16).replace("T", " ")} UTC"
    >${age(seconds)} ago</time
  >`;
}

/** 12 s, 3 min, 5 h, 2 days: of a thing in the past, one unit is enough. */
export function age(seconds: number): string {
  if (seconds < 60) return `${String(Math.floor(seconds))} s`;
  if (seconds < 3600) return `${String(Math.floor(seconds / 60))} min`;
  if (seconds < 172_800) return `${String(Math.floor(seconds / 3600))} h`;
  return `${count(Math.floor(seconds / 86_400))} days`;
}

/** The seconds until a time, if it is in the future. @param at ISO 8601, UTC */
export function secondsUntil(at: string | null, now: Date): number | undefined {
  if (at === null) return undefined;
  const seconds = Math.ceil((Date.parse(at) - now.getTime()) / 1000);
  return seconds > 0 ? seconds : undefined;
}
