import { framesOf, stringAt, typeOf } from "./frames.ts";

/** The engine's answer, split by recipient. */
export interface Answer {
  /** Bytes for the client that asked. */
  readonly forClient: Buffer[];
  /** NotificationResponse frames, for the clients that listen. */
  readonly notifications: Notification[];
  /** Command tags ("INSERT 0 1", "SET", …) of the statements that ran. */
  readonly tags: ReadonlySet<string>;
  /** The last ReadyForQuery: I idle, T in a transaction, E in a failed one. */
  readonly status: string | undefined;
}

export interface Notification {
  readonly channel: string;
  readonly bytes: Buffer;
}

export function sortAnswer(answer: Buffer): Answer {
  const forClient: Buffer[] = [];
  const notifications: Notification[] = [];
  const tags = new Set<string>();
  let status: string | undefined;
  // Adjacent rows are sent as one slice: one write per row would cost more than the query.
  let from = 0;
  let at = 0;
  const leaveOut = (length: number) => {
    if (at > from) forClient.push(answer.subarray(from, at));
    from = at + length;
  };
  for (const part of framesOf(answer)) {
    const type = typeOf(part);
    if (type === "A") {
      notifications.push({ channel: stringAt(part, 9), bytes: part });
      leaveOut(part.length);
    } else if (type === "G") {
      // The server has already asked the client for its data, before the engine saw the COPY.
      leaveOut(part.length);
    } else if (type === "C") tags.add(stringAt(part, 5));
    else if (type === "Z") status = String.fromCharCode(part[5] ?? 0);
    at += part.length;
  }
  if (answer.length > from) forClient.push(answer.subarray(from));
  return { forClient, notifications, tags, status };
}
