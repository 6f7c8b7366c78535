/** What the examples draw. */

import * as Plot from "npm:@observablehq/plot@0.6.17";
import { beside, blue, draw, grey, heading, orange } from "../pictures/draw.ts";

/** The loss before each step, and its mean over fifty. */
export function lossPicture(title: string, what: string, losses: readonly number[]): string {
  const points = losses.map((loss, step) => ({ step, loss }));
  return draw(title, {
    x: { label: "step", labelAnchor: "center" },
    y: { label: what, ...beside, zero: true },
    marks: [
      heading("· each step", grey, -20),
      heading("━ mean of fifty", blue, -20, 90),
      Plot.dot(points, { x: "step", y: "loss", fill: grey, r: 1.2 }),
      Plot.lineY(
        points,
        Plot.windowY({ k: Math.min(50, points.length), anchor: "end" }, {
          ...{ x: "step", y: "loss", stroke: blue, strokeWidth: 2 },
        }),
      ),
    ],
  });
}

/** How likely each tag is for each word of a sentence. */
export function tagPicture(
  words: readonly string[],
  tags: readonly string[],
  likely: readonly (readonly number[])[],
): string {
  const cells = words.flatMap((word, k) =>
    tags.map((tag, j) => ({ place: k, word, tag, p: likely[k][j] }))
  );
  return draw("A tagger reads a sentence that it has not seen", {
    x: { label: null, tickFormat: (k: number) => words[k], tickSize: 0 },
    y: { label: null, domain: tags, tickSize: 0 },
    color: { range: ["white", blue], domain: [0, 1] },
    marks: [
      heading("how likely each kind of word is", grey, -20),
      Plot.cell(cells, { x: "place", y: "tag", fill: "p", stroke: grey, strokeOpacity: 0.3 }),
      Plot.text(cells.filter(({ p }) => p >= 0.01), {
        ...{ x: "place", y: "tag", text: ({ p }: { p: number }) => p.toFixed(2) },
        fill: ({ p }: { p: number }) => p > 0.5 ? "white" : grey,
      }),
    ],
  });
}

/** A series, what a model says of it from the values before, and what it makes of it on its own. */
export function forecastPicture(
  truth: readonly number[],
  said: readonly number[],
  given: number,
): string {
  const next = said.map((x, t) => ({ t: t + 1, x }));
  return draw("A forecaster goes on with a series, value by value", {
    x: { label: "time step", labelAnchor: "center" },
    y: { label: "value", ...beside },
    marks: [
      heading("━ the series", grey, -20),
      heading("● the next value, from those before", blue, -20, 100),
      heading("╍ on its own", orange, -20, 322),
      Plot.lineY(truth.map((x, t) => ({ t, x })), {
        ...{ x: "t", y: "x", stroke: grey, strokeWidth: 4, strokeOpacity: 0.45 },
      }),
      Plot.dot(next.slice(0, given), { x: "t", y: "x", fill: blue, r: 2.5 }),
      Plot.lineY(next.slice(given - 1), {
        ...{ x: "t", y: "x", stroke: orange, strokeWidth: 2, strokeDasharray: "5 4" },
      }),
    ],
  });
}
