/**
 * A forecaster: learns a series, then streams: one value in, the next one out, at first along values
 * that are given, then along its own.
 *
 * ```sh
 * deno task forecaster
 * ```
 */

import { noGrad, tensor } from "../../mod.ts";
import { main } from "./command.ts";
import { forecastPicture } from "./pictures.ts";
import { data, seriesFrom, stream, training } from "./programs/forecaster.ts";

/** How many values are given, and how many the model says in all. */
const [given, length] = [60, 100];

await main({
  name: "forecaster",
  does: "Learns a series with an LSTM and a Linear, then goes on with it value by value.",
  steps: 1200,
  start: () => training(data),
  finish(model) {
    const start = data.series.length;
    const truth = seriesFrom(start, length + 1);
    const said = stream(model, truth.slice(0, given), length);
    const errors = said.map((value, t) => Math.abs(value - truth[t + 1]));
    const mean = (from: number, to: number) =>
      (errors.slice(from, to).reduce((sum, x) => sum + x, 0) / (to - from)).toFixed(3);
    const input = tensor([truth.slice(0, given).map((value) => [value])]);
    return {
      checkpoint: { input, output: noGrad(() => model.forward(input)) },
      picture: forecastPicture(truth, said, given),
      lines: [
        `mean error ${mean(0, given)} where the value before is given, ` +
        `${mean(given, given + 20)} over the first 20 values of its own`,
      ],
    };
  },
});
