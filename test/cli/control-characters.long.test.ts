import { expect, test, vi } from "vitest";
import { runCommand } from "../support/command.ts";
import { DIMENSIONS, prepare } from "../support/listening.ts";

vi.setConfig({ testTimeout: 240_000 });

const TABLE = "ev\u001b[2J\u0007il";
const COLOUR = new RegExp(`${String.fromCharCode(27)}\\[3[1239]m`, "g");
const COMMANDS: readonly (readonly string[])[] = [
  ["sources"],
  ["status"],
  ["doctor"],
  ["egress"],
  ["backfill", "--dry-run"],
  ["verify"],
  ["search", "hello", "--source", TABLE, "--text"],
  ["search", "hello", "--source", "evil"],
  ["pause", TABLE],
  ["resume", TABLE],
  ["index", TABLE],
  ["watch", TABLE, "--text", "none"],
  ["uninstall", "--dry-run"],
  ["unwatch", TABLE],
];

test("No name of the database drives the terminal, whichever command prints it, and JSON keeps it as it is", async () => {
  const { client, environment } = await prepare();
  await client.query(`create table "${TABLE}" (id int primary key, body text, "v\u009b" vector(${DIMENSIONS}));
    insert into "${TABLE}" values (1, 'hello');
    select autoembed.watch('"${TABLE}"', 'body', vector_column => 'v\u009b')`);
  const run = async (...args: readonly string[]): Promise<string> => {
    const command = runCommand(args, { ...environment, FORCE_COLOR: "1" });
    await command.exited;
    return command.stdout() + command.stderr();
  };
  expect(await run("backfill")).not.toContain("\u0007");
  const listed = JSON.parse(await run("sources", "--json")) as { name: string; vector: string }[];
  expect(listed.map(({ name, vector }) => [name, vector.slice(0, 2)])).toContainEqual([TABLE, "v\u009b"]);
  for (const args of COMMANDS) {
    const printed = (await run(...args)).replaceAll(COLOUR, "");
    expect(printed, args.join(" ")).not.toMatch(/(?!\n)\p{Cc}/u);
  }
});
