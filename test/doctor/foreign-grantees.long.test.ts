import { expect, test } from "vitest";
import { runCommand } from "../support/command.ts";
import { describeNative } from "../support/database.ts";
import { prepare, type Listening } from "../support/listening.ts";
import { grant, nameIn, role } from "../support/roles.ts";

interface Finding {
  readonly level: string;
  readonly what: string;
  readonly remedy?: string;
}

/** What `doctor` finds about rights in the schema autoembed. */
async function rightsFound({ environment }: Listening, databaseUrl?: string): Promise<Finding[]> {
  const doctor = runCommand(["doctor", "--json"], {
    ...environment,
    ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
  });
  await doctor.exited;
  const found = JSON.parse(doctor.stdout()) as Finding[];
  return found.filter(({ what }) => / rights (?:on|in) /.test(what));
}

const NONE = [{ level: "ok", what: "No role has rights in the schema autoembed that were not meant for it" }];

test("`doctor` reports that PUBLIC may call functions and read a table of ours, and `npm run migrate` ends that", async () => {
  const on = await prepare();
  expect(await rightsFound(on)).toEqual(NONE);
  await on.client.query(`grant execute on function autoembed.unwatch(text) to public;
    grant select (key) on autoembed.embedding_queue to public; grant usage on schema autoembed to public`);
  expect(await rightsFound(on)).toEqual([
    {
      level: "problem",
      what: "PUBLIC has rights on function autoembed.unwatch(text) and 2 more, by default privileges or from a restored dump.",
      remedy: "As the owner of the schema autoembed: npm run migrate",
    },
  ]);
  expect(await runCommand(["migrate"], on.environment).exited).toBe(0);
  expect(await rightsFound(on)).toEqual(NONE);
});

describeNative(
  "`doctor` tells roles that were let in from those that were not",
  "needs roles of its own",
  () => {
    test("Roles of listeners and searches are not reported; one that default privileges name and one that was granted a right by hand are, each with what ends it", async () => {
      const on = await prepare();
      const { client, database } = on;
      const listenerUrl = await role(client, database.url, "listener");
      const listener = nameIn(listenerUrl);
      const searcher = nameIn(await role(client, database.url, "searcher"));
      const anon = nameIn(await role(client, database.url, "anon"));
      const monitor = nameIn(await role(client, database.url, "monitor"));
      await grant(client, listener);
      await client.query(`select autoembed.grant_search('${searcher}');
      alter default privileges grant all on tables to ${anon}; grant all on all tables in schema autoembed to ${anon};
      grant usage on sequence autoembed.embedding_ticket to ${monitor}`);
      expect(await rightsFound(on, listenerUrl)).toEqual([
        {
          level: "problem",
          what: expect.stringMatching(
            new RegExp(
              `^The role ${anon} has rights on table autoembed\\.embedding_\\w+ and \\d+ more, by default`,
            ),
          ) as string,
          remedy: "As the owner of the schema autoembed: npm run migrate",
        },
        {
          level: "warning",
          what: expect.stringContaining(
            `The role ${monitor} has rights on sequence autoembed.embedding_ticket, granted by neither`,
          ) as string,
          remedy: expect.stringContaining(
            `revoke all on all sequences in schema autoembed from "${monitor}"`,
          ) as string,
        },
      ]);
      expect(await runCommand(["migrate"], on.environment).exited).toBe(0);
      const [left, ...others] = await rightsFound(on);
      expect(left?.what).toContain(monitor);
      expect(others).toEqual([]);
      await client.query(left?.remedy?.replace(/^.*?: /, "") ?? "");
      expect(await rightsFound(on)).toEqual(NONE);
    });
  },
);
