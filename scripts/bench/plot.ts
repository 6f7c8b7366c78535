/** The measurements as a picture: time against hidden size and against length, in SVG. */

import * as Plot from "npm:@observablehq/plot@0.6.17";
import { draw, grey, orange } from "../pictures/draw.ts";

/** The median time of one participant at one place of a panel. */
export interface Point {
  readonly panel: string;
  /** The hidden size, or the length. */
  readonly x: number;
  readonly peer: string;
  readonly microseconds: number;
}

/** Draws a panel for each kind of curve, both axes logarithmic, a line for each participant. */
export function plot(points: readonly Point[]): string {
  const channels = { x: "x", y: "microseconds", fx: "panel", stroke: "peer" };
  const named = { z: "peer", text: "peer", textAnchor: "start", dx: 8, stroke: "white" } as const;
  return draw("Time of a forward pass: the median, in microseconds", {
    width: 1320,
    x: { type: "log", label: "hidden size, or length" },
    y: { type: "log", label: "microseconds", grid: true },
    fx: { label: null },
    marginRight: 110,
    marks: [
      Plot.lineY(points, channels),
      Plot.dot(points, channels),
      Plot.text(points, Plot.selectLast({ ...channels, ...named, fill: "peer" })),
    ],
  });
}

/** Draws the CPU time of a step of training: a panel for each work, a line for each participant. */
export function plotTraining(
  results: readonly { work: string; peer: string; cpu: number }[],
): string {
  const place = { x: "cpu", y: "peer", fy: "work" };
  const works = [...new Set(results.map(({ work }) => work))];
  return draw("CPU time of a step of training, in milliseconds", {
    width: 1000,
    height: 110 + 150 * works.length,
    marginLeft: 120,
    marginRight: 320,
    x: { type: "log", label: "milliseconds", grid: true, tickFormat: String },
    y: { label: null, domain: [...new Set(results.map(({ peer }) => peer))] },
    fy: { label: null, domain: works },
    color: { domain: [true, false], range: [orange, grey] },
    marks: [
      Plot.dot(results, { ...place, r: 5, fill: ({ peer }) => peer.startsWith("ours") }),
      Plot.text(results, {
        ...place,
        text: ({ cpu }) => cpu < 10 ? cpu.toPrecision(2) : cpu.toFixed(0),
        dx: 9,
        textAnchor: "start",
      }),
    ],
  });
}
