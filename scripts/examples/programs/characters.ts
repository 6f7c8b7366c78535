/** A character model: what it is, and how it learns a text and then writes. */

import {
  Adam,
  backward,
  clipGradNorm,
  crossEntropy,
  detachState,
  div,
  Embedding,
  type FloatDType,
  type Generator,
  LayerNorm,
  Linear,
  LSTM,
  type LSTMState,
  manualSeed,
  Module,
  multinomial,
  noGrad,
  reshape,
  slice,
  softmax,
  type Tensor,
  tensor,
} from "../../../mod.ts";
import shipped from "./characters.txt" with { type: "text" };

/** What the model learns from, and how. */
export interface CharactersData {
  readonly text: string;
  /** For `manualSeed`. */
  readonly seed: number;
}

/** What the command learns: a paragraph a line. */
export const data: CharactersData = {
  text: shipped.trim().split("\n\n").map((lines) => lines.replaceAll("\n", " ")).join("\n"),
  seed: 0,
};

/** H_in, H; how many rows the text is cut into, and how many characters a window has. */
const [features, hidden, rows, window] = [16, 64, 8, 16];

/** A table of characters, an LSTM, and a LayerNorm and a fully connected layer at every step. */
export class CharacterModel extends Module {
  readonly embedding: Embedding;
  readonly lstm: LSTM;
  readonly norm: LayerNorm;
  readonly fc: Linear;

  constructor(characters: number, dtype: FloatDType) {
    super();
    this.embedding = new Embedding(characters, features, { dtype });
    this.lstm = new LSTM(features, hidden, { batchFirst: true, dtype });
    this.norm = new LayerNorm(hidden, { dtype });
    this.fc = new Linear(hidden, characters, { dtype });
  }

  /** From numbers of characters, `(N, L)`, to logits of those that follow, `(N, L, C)`. */
  override forward(x: Tensor, state: LSTMState | null = null): [Tensor, LSTMState] {
    const [output, after] = this.lstm.forward(this.embedding.forward(x), state);
    return [this.fc.forward(this.norm.forward(output)), after];
  }
}

/** The characters of a text, each once, in order. */
export function alphabetOf(text: string): string[] {
  return [...new Set(text)].sort();
}

const int64 = (numbers: readonly unknown[]) => tensor(numbers as number[], { dtype: "int64" });

/** The model of a text, and the losses before each of its steps, one after the other, without end. */
export function training(
  { text, seed }: CharactersData,
  dtype: FloatDType = "float32",
): { model: CharacterModel; optimizer: Adam; losses: Iterator<number, never> } {
  manualSeed(seed);
  const alphabet = alphabetOf(text);
  const model = new CharacterModel(alphabet.length, dtype);
  const optimizer = new Adam(model.parameters(), { lr: 0.005 });
  const numbers = [...text].map((character) => alphabet.indexOf(character));
  const length = Math.floor((numbers.length - 1) / rows);
  const row = (k: number, by: number) => numbers.slice(k * length + by, (k + 1) * length + by);
  const [x, y] = [0, 1].map((by) => int64(Array.from({ length: rows }, (_, k) => row(k, by))));
  function* steps(): Generator_ {
    for (;;) {
      let state: LSTMState | null = null; // the text from its beginning
      for (let t = 0; t < length; t += window) {
        optimizer.zeroGrad();
        const [logits, after] = model.forward(slice(x, 1, t, t + window), state);
        const wanted = reshape(slice(y, 1, t, t + window), [-1]);
        const loss = crossEntropy(reshape(logits, [-1, alphabet.length]), wanted);
        backward(loss);
        clipGradNorm(model.parameters(), 1);
        optimizer.step();
        state = detachState(after) as LSTMState; // gradients stay within a window
        yield loss.item();
      }
    }
  }
  return { model, optimizer, losses: steps() };
}

type Generator_ = IterableIterator<number, never>;

/**
 * Lets a model write.
 *
 * @param temperature below 1 it is surer of itself, above 1 more adventurous
 */
export function write(
  model: CharacterModel,
  alphabet: readonly string[],
  start: string,
  length: number,
  temperature: number,
  generator: Generator,
): string {
  const numbers = [...start].map((character) => alphabet.indexOf(character));
  return noGrad(() => {
    let [text, [logits, state]] = [start, model.forward(int64([numbers]))];
    for (let k = 0; k < length; k++) {
      const last = slice(logits, 1, -1);
      const likely = softmax(div(reshape(last, [-1]), temperature), 0);
      const next = multinomial(likely, 1, { generator });
      text += alphabet[next.item()];
      [logits, state] = model.forward(reshape(next, [1, 1]), state);
    }
    return text;
  });
}
