import { destination, type DestinationStream } from "pino";
import pretty from "pino-pretty";

/** Writes readable log lines to a terminal, and JSON to anything else. */
export function pinoPretty(): DestinationStream {
  if (!process.stderr.isTTY) return destination({ fd: 2, sync: true });
  return pretty({ destination: 2, ignore: "pid,hostname", translateTime: "HH:MM:ss", sync: true });
}
