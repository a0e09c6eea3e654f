import { pino, type Logger } from "pino";
import { pinoPretty } from "./log-pretty.ts";
import { Seldom } from "./timing/seldom.ts";
import type { Events } from "./events.ts";

/** One structured line per event, on stderr; pretty on a terminal. No event carries a text, so no line does. */
export function logEvents(events: Events, level: string): Logger {
  const log = pino({ level, base: { pid: process.pid } }, pinoPretty());
  const outage = new Seldom();
  const deafness = new Seldom();
  events.on("claimed", (event) => {
    log.debug(event, "claimed");
  });
  events.on("embedded", ({ source, rows, writeMs }) => {
    log.info({ source, rows, write_ms: Math.round(writeMs) }, "embedded");
  });
  events.on("cached", ({ source, rows, writeMs }) => {
    log.info({ source, rows, write_ms: Math.round(writeMs) }, "cache hit");
  });
  events.on("emptied", (event) => {
    log.debug(event, "nothing to embed");
  });
  events.on("split", (event) => {
    log.info(event, "split into chunks");
  });
  events.on("answered", ({ milliseconds, ...event }) => {
    log.debug({ ...event, ms: Math.round(milliseconds) }, "provider answered");
  });
  events.on("failed", (event) => {
    log.warn(event, "failed");
  });
  events.on("truncated", (event) => {
    log.warn(event, "cut to the model's limit");
  });
  events.on("released", (event) => {
    log.debug(event, "released");
  });
  events.on("source_failing", ({ isOutage = false, ...event }) => {
    if (!isOutage) log.error(event, "cannot embed");
    else if (outage.isDue())
      log.error({ problem: event.problem }, "cannot embed: tried again until it works");
  });
  events.on("throttled", (event) => {
    log.warn(event, "waits for the provider");
  });
  events.on("source_recovered", (event) => {
    if (event.source === undefined) outage.over();
    log.info(event, "works again");
  });
  events.on("listening", () => {
    if (deafness.over()) log.info("receives notifications again");
    else log.debug("receiving notifications");
  });
  events.on("asleep", () => {
    log.info("asleep until something changes");
  });
  events.on("awake", () => {
    log.info("awake");
  });
  events.on("uninstalled", () => {
    log.error("pg-autoembed is being uninstalled from this database: this listener stops");
  });
  events.on("listen_lost", (event) => {
    if (!deafness.isDue()) return;
    log.warn(
      event,
      "lost the connection that receives notifications: changes are found by polling until it is back",
    );
  });
  return log;
}
