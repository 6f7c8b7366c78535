/** A tagger: what it is, and how it learns from sentences of different lengths. */

import {
  Adam,
  argmax,
  backward,
  crossEntropy,
  DataLoader,
  Embedding,
  type FloatDType,
  Generator,
  GRU,
  Linear,
  manualSeed,
  Module,
  noGrad,
  packPaddedSequence,
  padCollate,
  padPackedSequence,
  ReduceLROnPlateau,
  reshape,
  type Tensor,
  tensor,
} from "../../../mod.ts";
import shipped from "./sentences.txt" with { type: "text" };

/** What the model learns from, and how. */
export interface TaggerData {
  /** Sentences of words, each with its tag behind a slash. */
  readonly sentences: readonly string[];
  /** For `manualSeed`, and for the order of the sentences. */
  readonly seed: number;
}

const all = shipped.trim().split("\n");

/** What the command learns: four sentences of five. */
export const data: TaggerData = { sentences: all.filter((_, k) => k % 5 !== 4), seed: 0 };

/** What it has never seen. */
export const unseen: readonly string[] = all.filter((_, k) => k % 5 === 4);

/** H_in, H, and how many sentences a batch has. */
const [features, hidden, batchSize] = [12, 16, 8];

/** The words and the tags, each once, in order; number 0 of the words is the padding. */
export function vocabularyOf(sentences: readonly string[]): { words: string[]; tags: string[] } {
  const pairs = sentences.flatMap((sentence) => sentence.split(" ").map((one) => one.split("/")));
  const sorted = (k: number) => [...new Set(pairs.map((pair) => pair[k]))].sort();
  return { words: ["", ...sorted(0)], tags: sorted(1) };
}

/** A table of words, a GRU in both directions, and a fully connected layer at every step. */
export class Tagger extends Module {
  readonly embedding: Embedding;
  readonly gru: GRU;
  readonly fc: Linear;

  constructor(words: number, tags: number, dtype: FloatDType) {
    super();
    this.embedding = new Embedding(words, features, { paddingIdx: 0, dtype });
    this.gru = new GRU(features, hidden, { bidirectional: true, batchFirst: true, dtype });
    this.fc = new Linear(2 * hidden, tags, { dtype });
  }

  /** From numbers of words, `(N, L)`, and lengths, to logits of tags, `(N, L, T)`. */
  override forward(x: Tensor, lengths: number[]): Tensor {
    const options = { batchFirst: true, enforceSorted: false };
    const packed = packPaddedSequence(this.embedding.forward(x), lengths, options);
    const [output] = this.gru.forward(packed);
    return this.fc.forward(padPackedSequence(output, { batchFirst: true })[0]);
  }
}

/** A sentence as numbers of its words and of its tags. */
function numbered(sentence: string, words: readonly string[], tags: readonly string[]): Tensor[] {
  const pairs = sentence.split(" ").map((one) => one.split("/"));
  return [
    tensor(pairs.map(([word]) => words.indexOf(word)), { dtype: "int64" }),
    tensor(pairs.map(([, tag]) => tags.indexOf(tag)), { dtype: "int64" }),
  ];
}

/** The model of sentences, and the losses before each of its steps, without end. */
export function training(
  { sentences, seed }: TaggerData,
  dtype: FloatDType = "float32",
): { model: Tagger; optimizer: Adam; losses: Iterator<number, never> } {
  manualSeed(seed);
  const { words, tags } = vocabularyOf(sentences);
  const model = new Tagger(words.length, tags.length, dtype);
  const optimizer = new Adam(model.parameters(), { lr: 0.01 });
  const schedule = new ReduceLROnPlateau(optimizer, { factor: 0.5, patience: 1 });
  const loader = new DataLoader(sentences.map((one) => numbered(one, words, tags)), {
    ...{ batchSize, shuffle: true, generator: new Generator(seed) },
    collateFn: (batch) =>
      padCollate(batch, { batchFirst: true, paddingValue: [0, -100] }) as [
        Tensor,
        Tensor,
        number[],
      ],
  });
  function* steps(): IterableIterator<number, never> {
    for (;;) {
      let sum = 0;
      for (const [x, y, lengths] of loader) {
        optimizer.zeroGrad();
        const logits = model.forward(x, lengths);
        const loss = crossEntropy(reshape(logits, [-1, tags.length]), reshape(y, [-1]));
        backward(loss); // the padding's target, -100, counts for nothing
        optimizer.step();
        sum += loss.item();
        yield loss.item();
      }
      schedule.step(sum / loader.length);
    }
  }
  return { model, optimizer, losses: steps() };
}

/** The tags that a model gives the words of a sentence. */
export function tag(
  model: Tagger,
  sentence: string,
  { words, tags }: ReturnType<typeof vocabularyOf>,
): { word: string; wanted: string; given: string }[] {
  const [x] = numbered(sentence, words, tags);
  const logits = noGrad(() => model.forward(reshape(x, [1, -1]), [x.numel()]));
  const given = reshape(argmax(logits, -1), [-1]).tolist<number[]>();
  return sentence.split(" ").map((one, k) => {
    const [word, wanted] = one.split("/");
    return { word, wanted, given: tags[given[k]] };
  });
}
