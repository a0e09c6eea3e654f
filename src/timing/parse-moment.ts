const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/**
 * A moment that a person writes: `08:00` or `Mon 08:00`, the next one to come, in the local time zone; or an ISO date and
 * time, local unless it has a zone.
 * @returns undefined where it is none of these
 */
export function parseMoment(text: string, now: Date): Date | undefined {
  const iso = /^(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2})(?::\d{2})?(Z|[+-]\d{2}:\d{2})?$/.exec(text);
  if (iso !== null) return parseIso(text, Number(iso[3]), iso[6] !== undefined);
  const [, day, hour, minute] = /^(?:([a-z]{3})[a-z]* +)?(\d{1,2}):(\d{2})$/i.exec(text) ?? [];
  const weekday = day === undefined ? undefined : DAYS.indexOf(day.toLowerCase());
  if (weekday === -1 || Number(hour) > 23 || Number(minute) > 59 || minute === undefined) return undefined;
  for (let days = 0; days <= 7; days++) {
    const moment = new Date(now);
    moment.setDate(moment.getDate() + days);
    moment.setHours(Number(hour), Number(minute), 0, 0);
    if (moment > now && (weekday === undefined || moment.getDay() === weekday)) return moment;
  }
  return undefined;
}

/** A day that its month does not have would be one of the next month. */
function parseIso(text: string, day: number, hasZone: boolean): Date | undefined {
  const moment = new Date(text.replace(" ", "T"));
  if (Number.isNaN(moment.getTime())) return undefined;
  return hasZone || moment.getDate() === day ? moment : undefined;
}

/** `Mon 2026-11-30 08:00`, in the local time zone. */
export function formatMoment(moment: Date): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
  const weekday = DAYS[moment.getDay()] ?? "";
  return `${weekday.charAt(0).toUpperCase()}${weekday.slice(1)} ${day} ${two(moment.getHours())}:${two(moment.getMinutes())}`;
}
