/**
 * A tagger: learns what kind of word each word of a sentence is, from both of its sides, on padded
 * batches of sentences of different lengths.
 *
 * ```sh
 * deno task tagger
 * ```
 */

import { noGrad, padCollate, softmax, type Tensor, tensor } from "../../mod.ts";
import { main } from "./command.ts";
import { tagPicture } from "./pictures.ts";
import { data, tag, training, unseen, vocabularyOf } from "./programs/tagger.ts";

await main({
  name: "tagger",
  does:
    "Learns what kind of word each word is, with an Embedding, a GRU that reads both ways, and a\n" +
    "Linear, on padded batches; then tags sentences that it has not seen.",
  steps: 240,
  start: () => training(data),
  finish(model) {
    const vocabulary = vocabularyOf(data.sentences);
    const tagged = unseen.map((sentence) => tag(model, sentence, vocabulary));
    const all = tagged.flat();
    const right = all.filter(({ given, wanted }) => given === wanted).length;
    const shown = tagged.slice(0, 5).map((words) =>
      words.map(({ word, given }) => `${word}/${given}`).join(" ")
    );
    const [x, lengths] = padCollate(
      tagged.slice(0, 4).map((words) =>
        tensor(words.map(({ word }) => vocabulary.words.indexOf(word)), { dtype: "int64" })
      ),
      { batchFirst: true },
    ) as [Tensor, number[]];
    const output = noGrad(() => model.forward(x, lengths));
    const likely = noGrad(() => softmax(output, -1)).tolist<number[][][]>();
    const [words] = tagged;
    return {
      checkpoint: { ...vocabulary, input: x, lengths, output },
      picture: tagPicture(words.map(({ word }) => word), vocabulary.tags, likely[0]),
      lines: ["", ...shown, `${right} of ${all.length} words of ${unseen.length} unseen sentences`],
    };
  },
});
