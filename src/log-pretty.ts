import { destination, type DestinationStream } from "pino";
import pretty from "pino-pretty";

/** Where log lines go: readable ones to a terminal, JSON to anything else. */
export function pinoPretty(): DestinationStream {
  if (!process.stderr.isTTY) return destination({ fd: 2, sync: true });
  return pretty({ destination: 2, ignore: "pid,hostname", translateTime: "HH:MM:ss", sync: true });
}
