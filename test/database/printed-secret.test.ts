import { expect, test } from "vitest";
import { printedSecret } from "../../src/database/printed-secret.ts";

test.each([
  ["exit 3", "The command of SECRET ended with exit code 3."],
  ["kill -9 $$", "The command of SECRET was ended by SIGKILL."],
  ["yes hunter2 | head -c 3000000", "The command of SECRET prints more than a secret can be."],
])("A command that gives no secret is told by what became of it: %s", async (command, message) => {
  await expect(printedSecret("SECRET", command)).rejects.toMatchObject({
    message,
    remedy: "Run it by hand to see why.",
  });
});
