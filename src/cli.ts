#!/usr/bin/env node
// Nothing is imported before this check: what follows cannot even be loaded by an older Node.
const OLDEST = [20, 19];
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const [oldestMajor = 0, oldestMinor = 0] = OLDEST;

if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor)) {
  console.error(
    `pg-autoembed needs Node ${OLDEST.join(".")} or newer, and this is Node ${process.versions.node}.\nInstall a newer one: https://nodejs.org/en/download`,
  );
  process.exitCode = 2;
} else {
  await import("./command-line.ts");
}
