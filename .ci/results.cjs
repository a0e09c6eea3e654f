// What vitest's JSON reports say:
//   node .ci/results.cjs failed REPORT    the files with a failed test, a line each
//   node .ci/results.cjs count FOLDER     how many tests passed, failed and were skipped in all reports of the folder; of a file
//                                         that ran again (NAME.again.json), those of the second time
const { readdirSync, readFileSync } = require("node:fs");

const [, , command, path] = process.argv;
const read = (file) => JSON.parse(readFileSync(file, "utf8")).testResults;

if (command === "failed") {
  for (const { name, status } of read(path)) if (status === "failed") console.log(name);
} else {
  const sum = { passed: 0, failed: 0, skipped: 0 };
  const names = readdirSync(path).filter((name) => name.endsWith(".json"));
  for (const name of names) {
    const again = name.replace(/\.json$/, ".again.json");
    const repeated = names.includes(again) ? read(`${path}/${again}`).map((file) => file.name) : [];
    for (const file of repeated) console.log(`passed the second time, alone: ${file}`);
    for (const file of read(`${path}/${name}`).filter((file) => !repeated.includes(file.name)))
      for (const { status } of file.assertionResults) sum[status in sum ? status : "skipped"]++;
  }
  console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
}
