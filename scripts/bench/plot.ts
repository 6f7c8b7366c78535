/** The measurements as a picture: time against hidden size and against length, in SVG. */

import * as vega from "npm:vega@6.4.0";
import * as vegaLite from "npm:vega-lite@6.5.0";

/** One point. */
export interface Point {
  /** Which of the panels. */
  readonly panel: string;
  /** The hidden size, or the length. */
  readonly x: number;
  /** Who. */
  readonly peer: string;
  /** The median time. */
  readonly microseconds: number;
}

/** Draws a panel for each kind of curve, both axes logarithmic, a line for each participant. */
export async function plot(points: readonly Point[]): Promise<string> {
  const panels = [...new Set(points.map(({ panel }) => panel))];
  const logarithmic = (title: string) => ({ title, scale: { type: "log" as const } });
  const { spec } = vegaLite.compile({
    background: "white",
    hconcat: panels.map((panel) => ({
      width: 380,
      height: 320,
      data: { values: points.filter((point) => point.panel === panel) },
      mark: { type: "line" as const, point: true },
      encoding: {
        x: { field: "x", type: "quantitative" as const, ...logarithmic(panel) },
        y: {
          field: "microseconds",
          type: "quantitative" as const,
          ...logarithmic("microseconds, median"),
        },
        color: { field: "peer", type: "nominal" as const, title: null },
      },
    })),
  });
  return await new vega.View(vega.parse(spec), { renderer: "none" }).toSVG();
}
