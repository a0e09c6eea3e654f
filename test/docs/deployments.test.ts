import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { migrate } from "../../src/migrate.ts";
import { runCommand } from "../support/command.ts";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS, prepare, wrongRows } from "../support/listening.ts";
import { session } from "../support/roles.ts";
import { openUnmigratedDatabase } from "../support/unmigrated-database.ts";

const COMPOSE = readFileSync("compose.yaml", "utf8");
const KUBERNETES = readFileSync("deploy/kubernetes.yaml", "utf8");

/** A service of compose.yaml, as text. */
function service(name: string): string {
  const [, block = ""] = new RegExp(`^  ${name}:\\n([^]*?)(?=^\\S|^  \\S)`, "m").exec(COMPOSE) ?? [];
  return block;
}

/** The role in the address that a service of compose.yaml connects to. */
function roleOf(name: string): string | undefined {
  return /DATABASE_URL: postgres:\/\/(\w+):/.exec(service(name))?.[1];
}

/** The scripts that each example runs as the owner, in their order, with the variables of psql that they are given. */
const SCRIPTS = {
  "compose.yaml": {
    files: [...service("grants").matchAll(/--file=\/sql\/(\S+)/g)].map(([, file = ""]) => file),
    variables: [...service("grants").matchAll(/--set=(\w+)=/g)].map(([, name]) => name),
  },
  "deploy/kubernetes.yaml": {
    files: [...KUBERNETES.matchAll(/^# .*psql .* -f (\S+)$/gm)].map(([, file = ""]) => file),
    variables: [...KUBERNETES.matchAll(/ -v (\w+)=/g)].map(([, name]) => name),
  },
};

test("Both deployment examples migrate as another role than the one that listens, and give neither the other's password", () => {
  expect(roleOf("migrate")).toBe("postgres");
  expect(roleOf("listener")).toBe("autoembed_listener");
  expect(service("listener")).not.toContain("POSTGRES_PASSWORD");
  expect(service("migrate")).not.toContain("LISTENER_PASSWORD");
  const [, job = "", deployment = ""] = /^kind: Job$([^]*?)^kind: Deployment$([^]*)/m.exec(KUBERNETES) ?? [];
  const secrets = (part: string) =>
    [...part.matchAll(/secretRef: \{ name: (\S+) \}/g)].map(([, name]) => name);
  expect(secrets(job)).toEqual(["pg-autoembed-owner"]);
  expect(secrets(deployment)).toEqual(["pg-autoembed"]);
});

/** Values that secrets might have. */
const valueOf = (name: string): string =>
  name === "DATABASE_URL" ? "postgres://role:secret@db:5432/app" : "0123456789abcdef";

/** The variables of a service of compose.yaml, as of an `.env` with what the file asks for. */
function composeVariables(name: string): Record<string, string> {
  const [, block = ""] = /^ {4}environment:\n((?: {6}.*\n)*)/m.exec(service(name)) ?? [];
  return Object.fromEntries(
    [...block.matchAll(/^ {6}(\w+): (.*)$/gm)].map(([, variable = "", value = ""]) => [
      variable,
      value
        .replaceAll(/\$\{\w+:-(\w*)\}/g, "$1")
        .replaceAll(/\$\{\w+:\?[^}]*\}/g, "0123456789abcdef")
        .replaceAll('"', ""),
    ]),
  );
}

/** The variables of a container of kubernetes.yaml, with the secrets that its head makes. */
function kubernetesVariables(kind: string): Record<string, string> {
  const ofKind = KUBERNETES.split("---\n").find((part) => part.includes(`\nkind: ${kind}\n`)) ?? "";
  const [, data = ""] = /^kind: ConfigMap$[^]*?^data:\n((?: {2}.*\n)*)/m.exec(KUBERNETES) ?? [];
  const [, secret = ""] = /secretRef: \{ name: (\S+) \}/.exec(ofKind) ?? [];
  const head = KUBERNETES.replaceAll("\\\n#", "");
  const [, made = ""] = new RegExp(`create secret generic ${secret} (.*)$`, "m").exec(head) ?? [];
  const secrets = [...made.matchAll(/--from-literal=(\w+)=/g)].map(
    ([, name = ""]) => [name, valueOf(name)] as const,
  );
  const shared = [...data.matchAll(/^ {2}(\w+): "?(.*?)"?$/gm)];
  const own = [...ofKind.matchAll(/- \{ name: ([A-Z_]+), value: "?(.*?)"? \}/g)];
  const named = [...shared, ...own].map(([, name = "", value = ""]) => [name, value] as const);
  return Object.fromEntries([...named, ...secrets]);
}

test.each([
  ["migrate of compose.yaml", composeVariables("migrate"), {}],
  [
    "listener of compose.yaml",
    composeVariables("listener"),
    { EMBED_HTTP_PORT: 8080, EMBED_HTTP_HOST: "0.0.0.0" },
  ],
  ["Job of kubernetes.yaml", kubernetesVariables("Job"), { EMBEDDING_DIM: 1536 }],
  [
    "Deployment of kubernetes.yaml",
    kubernetesVariables("Deployment"),
    { EMBEDDING_DIM: 1536, EMBED_HTTP_PORT: 8080, EMBED_HTTP_HOST: "0.0.0.0" },
  ],
])("The settings of the %s are taken, without a warning", (_container, variables, settings) => {
  const warnings: string[] = [];
  const config = readConfig(variables, (warning) => warnings.push(warning));
  expect(config).toMatchObject({ DATABASE_URL: expect.stringMatching(/^postgres:/) as string, ...settings });
  expect(warnings).toEqual([]);
});

test("The database of compose.yaml has the shared memory that a parallel build of an index takes", () => {
  expect(service("postgres")).toContain("shm_size: 1gb");
});

test("No deployment example has a password of its own", () => {
  expect(COMPOSE.match(/\$\{\w*(?:PASSWORD|TOKEN)\w*:-/g)).toBeNull();
});

describeNative("The role of a deployment example", "needs roles of its own", () => {
  test.each(Object.entries(SCRIPTS))(
    "The scripts of %s make a role that embeds, and may do nothing more",
    async (_example, { files, variables }) => {
      expect(files).toEqual(["deploy/listener-role.sql", "docs/grants.sql"]);
      expect(variables).toEqual(expect.arrayContaining(["listener", "password"]));
      const { listen, environment } = await prepare();
      const database = await openUnmigratedDatabase();
      onTestFinished(() => database.close());
      await migrate({ databaseUrl: database.url, dimensions: DIMENSIONS });
      const owner = new pg.Client(database.url);
      await owner.connect();
      onTestFinished(() => owner.end());
      const name = `listener_${randomBytes(4).toString("hex")}`;
      onTestFinished(async () => {
        await owner.query(`drop owned by ${name} cascade; drop role ${name}`);
      });
      // A second time, as after a restart.
      for (const file of [...files, ...files])
        await owner.query(filledIn(file, { listener: name, password: "it's secret" }));

      const url = new URL(database.url);
      url.username = name;
      const listener = await listen({ DATABASE_URL: url.href });
      await owner.query("insert into patient_embeddings values (1, 'one')");
      await listener.whenDrained(AbortSignal.timeout(30_000));
      expect(await wrongRows(owner)).toEqual([]);
      const doctor = runCommand(["doctor"], { ...environment, DATABASE_URL: url.href, NO_COLOR: "1" });
      await doctor.exited;
      expect(doctor.stdout()).not.toContain("PROBLEM");
      await listener.stop();

      const lesser = await session(url.href);
      for (const statement of [
        "update patient_embeddings set context_text = 'forged'",
        "delete from patient_embeddings",
        "update autoembed.embedding_source set settings = '{}'",
        "create table public.mine ()",
        `alter role ${name} superuser`,
      ])
        await expect(lesser.query(statement), statement).rejects.toMatchObject({ code: "42501" });
    },
  );
});

/** A script as psql runs it. */
function filledIn(file: string, variables: Readonly<Record<string, string>>): string {
  expect(existsSync(file)).toBe(true);
  return readFileSync(file, "utf8").replaceAll(/:(["'])(\w+)\1/g, (_all, quotation: string, name: string) => {
    const value = variables[name] ?? "";
    return quotation === "'" ? pg.escapeLiteral(value) : pg.escapeIdentifier(value);
  });
}
