/** An embedded Postgres in its own process, to be killed:  tsx embedded-main.ts FOLDER  prints its URL. */
import { startEmbedded } from "../../src/embedded/start-embedded.ts";

const { url } = await startEmbedded({ dataDirectory: process.argv[2] });
console.log(url);
