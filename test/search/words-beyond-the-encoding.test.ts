import { expect, test } from "vitest";
import { runCommand } from "../support/command.ts";
import { describeNative } from "../support/database.ts";
import { openEncoded } from "../support/encoded-database.ts";
import { DIMENSIONS, prepare } from "../support/listening.ts";

describeNative("Words that the database cannot write", "needs a database of another encoding", () => {
  test.each([
    ["LATIN1", "Öl"],
    ["WIN1252", "Œuvre"],
    // In the locale C, the letters of these two make no words: an English one stands for them.
    ["KOI8R", "диабет diabetes"],
    ["EUC_JP", "糖尿病 diabetes"],
  ])(
    "A search with characters that %s does not have goes by the other words, and a condition with them is explained",
    { timeout: 120_000 },
    async (encoding, own) => {
      const { environment } = await prepare();
      const { client, url } = await openEncoded(encoding, DIMENSIONS);
      await client.query("insert into patient_embeddings values (1, 'asthma'), (2, $1)", [own]);
      const run = async (...args: readonly string[]) => {
        const command = runCommand(args, { ...environment, DATABASE_URL: url });
        return { code: await command.exited, out: command.stdout(), err: command.stderr() };
      };
      expect((await run("drain")).code).toBe(0);
      for (const word of ["asthma 👩 ☃", "asthma 糖尿病 한국어", "asthma ÄÖ ß"]) {
        const { code, out } = await run("search", word, "--hybrid", "--json");
        expect(code).toBe(0);
        expect(out).toMatch(/"key": ?"1"/);
      }
      // A word of the encoding's own stands beside them; a phrase, and a condition, are asked for in a transaction.
      const ways = [
        [`${own} 👩`],
        [`"${own}" 👩`],
        [`${own} -"👩 x"`],
        [`${own} 👩`, "--where", "patient_id > 0"],
      ];
      for (const way of ways) {
        const { code, out } = await run("search", ...way, "--hybrid", "--json");
        expect({ way, code, first: /"key": ?"(\d)"/.exec(out)?.[1] }).toEqual({ way, code: 0, first: "2" });
      }
      const refused = await run("search", "asthma", "--where", "context_text = '👩'");
      expect(refused.code).toBe(2);
      expect(refused.err).toContain("the database's encoding does not have all of the characters");
    },
  );
});
