/** What `train.ts` draws: the loss, and the wave against what the model makes of it. */

import * as Plot from "npm:@observablehq/plot@0.6.17";
import { beside, blue, draw, grey, heading, orange } from "../pictures/draw.ts";
import { seen, sine, type Training } from "./run.ts";

/** The loss before each step, on a logarithmic axis. */
export function lossChart({ losses, config }: Training): string {
  const points = losses.map((loss, step) => ({ step, loss })).filter(({ loss }) =>
    loss > 0 && Number.isFinite(loss)
  );
  const last = points.at(-1);
  const exponents = points.map(({ loss }) => Math.log10(loss));
  const from = Math.floor(exponents.reduce((a, b) => Math.min(a, b), 0));
  const to = Math.ceil(exponents.reduce((a, b) => Math.max(a, b), 0));
  const powers = Array.from({ length: to - from + 1 }, (_, k) => 10 ** (from + k));
  return draw(`${config.model}, ${config.hiddenSize} hidden features: the loss as it learns`, {
    x: { label: "step", labelAnchor: "center", domain: [0, Math.max(losses.length, 1)] },
    y: {
      ...{ label: "mean squared error", ...beside, type: "log", domain: [10 ** from, 10 ** to] },
      ...{ ticks: powers, tickFormat: ".0e" },
    },
    marks: [
      heading(`${config.optimizer}, learning rate ${config.lr}, seed ${config.seed}`, grey, -20),
      Plot.ruleX([0], { stroke: grey, strokeOpacity: 0.5 }),
      Plot.lineY(points, { x: "step", y: "loss", stroke: blue, strokeWidth: 1.8 }),
      Plot.dot(last ? [last] : [], { x: "step", y: "loss", fill: blue, r: 3.5 }),
      Plot.text(last ? [last] : [], {
        x: "step",
        y: "loss",
        text: ({ loss }: { loss: number }) => loss.toExponential(2),
        textAnchor: "end",
        dx: -2,
        dy: -12,
        fill: blue,
        stroke: "white",
        strokeWidth: 4,
      }),
    ],
  });
}

/**
 * Three turns of the sine, each point as the model predicts it from the ten true points before it,
 * and as it goes on by itself, from its own predictions.
 */
export function predictionChart(training: Training): string {
  const [length, { model }] = [54, training.config];
  const truth = Array.from({ length: 8 * length + 1 }, (_, k) => ({ t: k / 8, x: sine(k / 8) }));
  const given = Array.from({ length: length + 1 }, (_, t) => sine(t));
  const own = given.slice(0, seen);
  while (own.length <= length) own.push(training.predict(own.slice(-seen)));
  const next = [...given.keys()].slice(seen)
    .map((t) => ({ t, x: training.predict(given.slice(t - seen, t)) }));
  const alone = own.map((x, t) => ({ t, x })).slice(seen - 1);
  return draw(`${model} after ${training.losses.length} steps: the sine, and what it predicts`, {
    x: { label: "time step", labelAnchor: "center", ticks: 9 },
    y: { label: "value", ...beside, domain: [-1.35, 1.35], ticks: 5, clamp: true },
    marks: [
      heading("━ the sine", grey, -20),
      heading("● the next point, from ten true ones", blue, -20, 92),
      heading("╍ on its own, from its own predictions", orange, -20, 322),
      Plot.rectX([{ from: 0, to: seen - 1 }], {
        ...{ x1: "from", x2: "to", fill: grey, fillOpacity: 0.1 },
      }),
      Plot.text(["given first"], { frameAnchor: "bottom-left", dx: 6, dy: -6, fill: grey }),
      Plot.lineY(truth, { x: "t", y: "x", stroke: grey, strokeWidth: 4, strokeOpacity: 0.45 }),
      Plot.lineY(alone, { x: "t", y: "x", stroke: orange, strokeWidth: 2, strokeDasharray: "5 4" }),
      Plot.dot(next, { x: "t", y: "x", fill: blue, r: 2.8 }),
    ],
  });
}
