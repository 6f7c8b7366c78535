/** The measurements as a picture: time against hidden size and against length, in SVG. */

import * as Plot from "npm:@observablehq/plot@0.6.17";
import { draw } from "../pictures/draw.ts";

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
