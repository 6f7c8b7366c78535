/** The walkthrough against the notebook: what PyTorch prints, and what the notebook's text shows. */

import { assert, assertEquals } from "@std/assert";
import { goldenFile } from "../../lib/conformance/mod.ts";
import { notebook } from "../../golden/mod.ts";
import {
  linspace,
  manualSeed,
  reshape,
  select,
  SimpleRNN,
  sin,
  type Tensor,
  to,
  zeros,
} from "../../mod.ts";
import { notebookWalk, walkthrough } from "../../scripts/walkthrough.ts";
import { describe, fact } from "./law.ts";

/** The lines that the notebook's text shows under its cells, blank ones left out. */
function printedLines(): string[] {
  const headings = ["--- Input Data", "--- Model Architecture", "--- Model's Final Output"];
  const lines = notebook.split("\n");
  return headings.flatMap((heading) => {
    const from = lines.findIndex((line) => line.startsWith(heading));
    const length = lines.slice(from).findIndex((line) => line.startsWith("In [None]:"));
    return lines.slice(from, length < 0 ? undefined : from + length);
  }).filter((line) => line.trim() !== "");
}

describe("the notebook", () => {
  fact(["FC-3"], "the walkthrough prints every line that the notebook's text shows", () => {
    const shown = walkthrough(notebookWalk).split("\n").filter((line) => line.trim() !== "");
    const wanted = printedLines();
    assertEquals(wanted.length, 23);
    assertEquals(shown, wanted);
  });

  fact(["FC-3"], "the walkthrough prints, byte for byte, what PyTorch prints", () => {
    const [first] = goldenFile("notebook/printed.json").cases;
    assertEquals(first.id, "notebook/printed");
    assertEquals(walkthrough(notebookWalk), first.expect.print);
  });

  fact(["FC-3"], "five activities and one output single out the generator's state", () => {
    manualSeed(notebookWalk.seed);
    new SimpleRNN(1, 5, 1);
    const model = new SimpleRNN(1, 5, 1);
    const wave = to(sin(linspace(0, Math.PI, 10, { dtype: "float64" })), "float32");
    const x = reshape(wave, [1, 10, 1]);
    const [output] = model.rnn.forward(x);
    const close = (actual: Tensor, wanted: number[]) =>
      assert(wanted.every((value, i) => Math.abs(actual.data[i] - value) <= 1e-6), String(actual));
    close(select(output, 1, -1), [
      -0.24587319791316986,
      -0.4186340570449829,
      0.25010916590690613,
      0.41895490884780884,
      -0.4263668358325958,
    ]);
    close(model.forward(x), [-0.08767429739236832]);
    assertEquals(model.forward(x).tolist(), model.fc.forward(select(output, 1, -1)).tolist());
  });

  fact(["FC-1"], "one construction less is another model", () => {
    assert(walkthrough({ ...notebookWalk, constructions: 1 }) !== walkthrough(notebookWalk));
  });

  fact(["FC-1"], "--steps adds h_t by hand, ending in the same activity and output", () => {
    const text = walkthrough(notebookWalk, true);
    const rows = text.split("\n").filter((line) => line.includes("h_t = tanh(sum)"));
    assertEquals(rows.length, 10);
    assert(rows[9].endsWith("-0.2459  -0.4186   0.2501   0.4190  -0.4264"), rows[9]);
    assert(text.trimEnd().endsWith("-0.0877"));
  });

  fact(["FC-1", "STACK-7"], "the model starts from a state of zeros", () => {
    manualSeed(1);
    const model = new SimpleRNN(2, 3, 2);
    const x = zeros([4, 5, 2]);
    const [given] = model.rnn.forward(x, zeros([2, 4, 3]));
    const [leftOut] = model.rnn.forward(x);
    assertEquals(given.tolist(), leftOut.tolist());
  });
});
