/** Charts as the text of SVG files. */

import * as Plot from "npm:@observablehq/plot@0.6.17";
import { parseHTML } from "npm:linkedom@0.18.15";

/** The colours that all charts share. */
export const [blue, orange, grey] = ["#2f6db5", "#e0692a", "#8a8f98"];

/** A vertical axis whose label stands beside its middle, without an arrow; with lines across. */
export const beside = { labelAnchor: "center", labelArrow: "none", grid: true } as const;

/** One line of text above the frame, in a colour. */
export function heading(text: string, color: string, dy: number, dx = 0): Plot.Markish {
  return Plot.text([text], {
    ...{ frameAnchor: "top-left", fill: color, dx, dy },
    facet: "super", // once, however many panels there are
    ...(dy < -24 ? { fontSize: 15, fontWeight: 600 } : { fontSize: 12, fontWeight: 400 }),
  });
}

/** A chart as the text of an SVG file. */
export function draw(title: string, options: Plot.PlotOptions): string {
  const { document } = parseHTML("<!doctype html><html><body></body></html>") as unknown as {
    document: Plot.PlotOptions["document"]; // linkedom's types leave it out
  };
  const chart = Plot.plot({
    ...{ document, width: 720, height: 380 },
    ...{ marginTop: 62, marginLeft: 64, marginRight: 24, marginBottom: 44 },
    style: { background: "white", color: "#30343b", fontSize: "12px" },
    ...options,
    marks: [heading(title, "#16191d", -40), ...(options.marks ?? [])],
  });
  chart.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return `${chart.outerHTML}\n`;
}
