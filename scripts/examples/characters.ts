/**
 * A character model: learns a short text letter by letter, and then writes.
 *
 * ```sh
 * deno task characters
 * deno task characters --steps 2000 --out text
 * ```
 */

import { Generator, noGrad, tensor } from "../../mod.ts";
import { main } from "./command.ts";
import { lossPicture } from "./pictures.ts";
import { alphabetOf, data, training, write } from "./programs/characters.ts";

await main({
  name: "characters",
  does: "Learns a short text letter by letter, with an Embedding, an LSTM, a LayerNorm and\n" +
    "a Linear, and writes.",
  steps: 1000,
  start: () => training(data),
  finish(model, losses) {
    const alphabet = alphabetOf(data.text);
    const probe = [...data.text.slice(0, 40)].map((character) => alphabet.indexOf(character));
    const input = tensor([probe], { dtype: "int64" });
    const written = write(model, alphabet, "the ", 400, 0.6, new Generator(1));
    return {
      checkpoint: {
        alphabet: alphabet.join(""),
        ...{ input, output: noGrad(() => model.forward(input)[0]) },
      },
      picture: lossPicture("A character model learns a text", "cross-entropy of the next", losses),
      lines: ["", written.replaceAll(/(.{1,78})(?: |$)/gm, "$1\n").trim(), ""],
    };
  },
});
