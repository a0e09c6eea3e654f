import { expect, test } from "vitest";
import { terminalSvg } from "./terminal-svg.ts";

const lines = (svg: string): string[] =>
  [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text = ""]) => text);

test("A terminal's picture has each line as it was drawn last, in order, escaped, without npm's own lines", () => {
  const svg = terminalSvg(
    [
      { at: 0, text: "$ npm run <x>\n", isTyped: true },
      { at: 1, text: "\r\n> pg-autoembed@1.0.0 x\r\n> node x.js\r\n\r\n" },
      { at: 2, text: "0/3\u001B[0G\u001B[2K3/3 do" },
      { at: 9, text: "ne\u001B[0m\r\n" },
      { at: 9, text: "\u001B[1GWhich? \u001B[8Gyes\r\r\n" },
    ],
    "what it shows",
  );
  expect(lines(svg)).toEqual(["$ npm run &lt;x&gt;", "", "3/3 done", "Which? yes"]);
  expect(svg).toContain('<title id="title">what it shows</title>');
  const delays = [...svg.matchAll(/delay:([\d.]+)s/g)].map(([, seconds]) => Number(seconds));
  expect(delays).toEqual(delays.toSorted((a, b) => a - b));
  expect(delays.at(-1)).toBeLessThan(5);
});

test("What is longer than the picture is scrolled, and stays at its last lines also without motion", () => {
  const svg = terminalSvg(
    Array.from({ length: 40 }, (_, i) => ({ at: i, text: `line ${String(i)}\n` })),
    "many lines",
  );
  expect(svg).toContain(".all{transform:translateY(-342px)}");
  expect(svg).toMatch(/prefers-reduced-motion:no-preference\)\{\.all\{animation/);
});
