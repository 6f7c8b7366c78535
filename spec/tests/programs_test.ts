/**
 * Eight programs as a user of PyTorch writes them: forecasting, a character model, classification of
 * padded sequences, tagging, streaming, loading, converting, fine-tuning.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  Adam,
  argmax,
  backward,
  clipGradNorm,
  crossEntropy,
  DataLoader,
  Embedding,
  Generator,
  GRU,
  LayerNorm,
  Linear,
  linspace,
  loadCheckpoint,
  LSTM,
  manualSeed,
  Module,
  mseLoss,
  noGrad,
  packPaddedSequence,
  padCollate,
  padPackedSequence,
  reshape,
  RuntimeError,
  select,
  Sequential,
  SGD,
  sin,
  Tanh,
  type Tensor,
  tensor,
} from "../../mod.ts";
import { writeTorchFile } from "../../lib/checkpoints/mod.ts";
import { readOnnx } from "../../lib/onnx/mod.ts";
import { networkOf } from "../../scripts/convert/network.ts";
import { toOnnxModel } from "../../scripts/convert/onnx.ts";
import { describe, fact, it } from "./law.ts";

const int64 = (data: unknown) => tensor(data as number[], { dtype: "int64" });

/** An LSTM, and a fully connected layer on its last time step. */
class Forecaster extends Module {
  lstm = new LSTM(1, 16, { batchFirst: true });
  fc = new Linear(16, 1);

  override forward(x: Tensor): Tensor { // (N, L, 1) to (N, 1)
    const [output] = this.lstm.forward(x);
    return this.fc.forward(select(output, 1, -1));
  }
}

/** Trains a model of the next value on a wave; its losses. */
function forecast(model: Forecaster, steps: number, lr: number): number[] {
  const wave = sin(linspace(0, 12, 80)).tolist<number[]>();
  const starts = [...Array(60).keys()];
  const x = tensor(starts.map((k) => wave.slice(k, k + 12).map((value) => [value])));
  const y = tensor(starts.map((k) => [wave[k + 12]]));
  const optimizer = new Adam(model.parameters().filter((w) => w.requiresGrad), { lr });
  return Array.from({ length: steps }, () => {
    optimizer.zeroGrad();
    const loss = mseLoss(model.forward(x), y);
    backward(loss);
    optimizer.step();
    return loss.item();
  });
}

/** Numbers of characters in, logits of the character that follows each out. */
class CharacterModel extends Module {
  embedding: Embedding;
  rnn = new GRU(8, 32, { batchFirst: true });
  norm = new LayerNorm(32);
  head: Linear;

  constructor(characters: number) {
    super();
    this.embedding = new Embedding(characters, 8);
    this.head = new Linear(32, characters);
  }

  override forward(x: Tensor, h: Tensor | null = null): [Tensor, Tensor] { // (N, L) to (N, L, C)
    const [output, hn] = this.rnn.forward(this.embedding.forward(x), h);
    return [this.head.forward(this.norm.forward(output)), hn];
  }
}

describe("programs", () => {
  fact(["TRAIN-1", "MODULE-1"], "forecasting", () => {
    manualSeed(0);
    const losses = forecast(new Forecaster(), 40, 0.02);
    assert(losses[39] < losses[0] / 10, `${losses[0]} to ${losses[39]}`);
  });

  fact(["MODULE-1", "EMBED-1", "NORM-1", "TRAIN-1"], "a character model", () => {
    manualSeed(1);
    const text = "the rain fell, the river rose. ";
    const characters = [...new Set(text)].sort();
    const numbers = [...text].map((character) => characters.indexOf(character));
    const model = new CharacterModel(characters.length);
    const optimizer = new Adam(model.parameters(), { lr: 0.03 });
    const x = int64([numbers.slice(0, -1)]);
    for (let step = 0; step < 40; step++) {
      optimizer.zeroGrad();
      const [logits] = model.forward(x); // (1, L, C)
      const loss = crossEntropy(reshape(logits, [-1, characters.length]), int64(numbers.slice(1)));
      backward(loss);
      clipGradNorm(model.parameters(), 1);
      optimizer.step();
    }
    let written = "t";
    noGrad(() => {
      let [next, h]: [Tensor, Tensor | null] = [int64([[characters.indexOf("t")]]), null];
      while (written.length < text.length) {
        const [logits, after] = model.forward(next, h);
        next = argmax(logits, -1); // (1, 1)
        h = after;
        written += characters[next.item()];
      }
    });
    assertEquals(written, text);
  });

  fact(["DATA-1", "DATA-2", "PACK-4", "MODULE-1"], "classification of padded sequences", () => {
    manualSeed(2);
    const generator = new Generator(7);
    // A sequence is of class 1 if its only pulse goes up.
    const items = Array.from({ length: 24 }, (_, k) => {
      const [length, up] = [3 + generator.random() % 6, k % 2];
      const at = generator.random() % length;
      const values = Array.from({ length }, (_, t) => [t === at ? 2 * up - 1 : 0]);
      return [tensor(values), up] as [Tensor, number];
    });
    const loader = new DataLoader(items, {
      ...{ batchSize: 8, shuffle: true, generator },
      collateFn: (batch) => padCollate(batch, { batchFirst: true }) as [Tensor, Tensor, number[]],
    });
    const rnn = new GRU(1, 8, { batchFirst: true });
    const fc = new Linear(8, 2);
    const model = new Sequential({ rnn, fc }); // holds both for the optimiser
    const optimizer = new Adam(model.parameters(), { lr: 0.05 });
    const classify = (x: Tensor, lengths: number[]) => {
      const options = { batchFirst: true, enforceSorted: false };
      const [, hn] = rnn.forward(packPaddedSequence(x, lengths, options));
      return fc.forward(select(hn, 0, -1)); // each sequence's own last step
    };
    for (let epoch = 0; epoch < 12; epoch++) {
      for (const [x, y, lengths] of loader) {
        optimizer.zeroGrad();
        backward(crossEntropy(classify(x, lengths), y));
        optimizer.step();
      }
    }
    let right = 0;
    for (const [x, y, lengths] of loader) {
      const given = noGrad(() => argmax(classify(x, lengths), 1));
      given.data.forEach((one, k) => right += Number(one === y.data[k]));
    }
    assertEquals(right, 24);
  });

  fact(["DATA-2", "LOSS-3", "PACK-5", "EMBED-2"], "tagging", () => {
    manualSeed(3);
    // A word's tag is the word that follows it: only the reverse direction can tell.
    const sentences = [[1, 2, 3], [3, 1], [2, 2, 1, 3], [1, 3, 2, 1, 2]];
    const tags = sentences.map((words) => [...words.slice(1), 0]);
    const items = sentences.map((words, k) => [int64(words), int64(tags[k])]);
    const [x, y, lengths] = padCollate(items, { batchFirst: true, paddingValue: [0, -100] }) as [
      Tensor,
      Tensor,
      number[],
    ];
    const parts = {
      embedding: new Embedding(4, 6, { paddingIdx: 0 }),
      rnn: new GRU(6, 8, { bidirectional: true, batchFirst: true }),
      head: new Sequential(new Linear(16, 8), new Tanh(), new Linear(8, 4)),
    };
    const { embedding, rnn, head } = parts;
    const optimizer = new Adam(new Sequential(parts).parameters(), { lr: 0.05 });
    const logits = () => {
      const options = { batchFirst: true, enforceSorted: false };
      const packed = packPaddedSequence(embedding.forward(x), lengths, options);
      return head.forward(padPackedSequence(rnn.forward(packed)[0], { batchFirst: true })[0]);
    };
    for (let step = 0; step < 40; step++) {
      optimizer.zeroGrad();
      backward(crossEntropy(reshape(logits(), [-1, 4]), reshape(y, [-1]))); // -100 is ignored
      optimizer.step();
    }
    const given = noGrad(() => argmax(logits(), -1)).tolist<number[][]>();
    assertEquals(given.map((row, k) => row.slice(0, lengths[k])), tags);
    assertEquals(embedding.weight.tolist<number[][]>()[0], [0, 0, 0, 0, 0, 0]); // never learns
  });

  fact(["KERNEL-5"], "streaming", () => {
    manualSeed(4);
    const model = new Forecaster().eval();
    const wave = sin(linspace(0, 3, 10));
    using stream = model.lstm.stream();
    const h = new Float32Array(16);
    for (let t = 0; t < 10; t++) stream.step(wave.data.subarray(t, t + 1), h);
    const now = noGrad(() => model.fc.forward(tensor([[...h]])));
    const whole = noGrad(() => model.forward(reshape(wave, [1, 10, 1])));
    assertEquals(now.item().toFixed(5), whole.item().toFixed(5));
  });

  it("MODULE-1, CKPT-8, ERROR-7: loading", async () => {
    const trained = new CharacterModel(20);
    const file = writeTorchFile({ epoch: 3, model: trained.stateDict() }); // or PyTorch's model.pt
    const model = new CharacterModel(20);
    const state = await loadCheckpoint(file, { at: "model" });
    assertEquals(String(model.loadStateDict(state)), "<All keys matched successfully>");
    const x = int64([[1, 2, 3]]);
    const answer = (of: CharacterModel) => noGrad(() => of.eval().forward(x)[0].tolist());
    assertEquals(answer(model), answer(trained));
    assertThrows(
      () => new CharacterModel(21).loadStateDict(state),
      RuntimeError,
      "size mismatch for embedding.weight",
    );
  });

  fact(["MODULE-1", "CKPT-12", "CKPT-10"], "converting", () => {
    const model = new CharacterModel(20);
    const network = networkOf(model.stateDict(), { batchFirst: true, everyStep: true });
    const { graph } = readOnnx(toOnnxModel(network));
    const types = graph.nodes.map(({ opType }) => opType);
    for (const type of ["Gather", "GRU", "LayerNormalization", "MatMul"]) {
      assert(types.includes(type));
    }
    assertEquals(graph.inputs.map(({ name }) => name), ["input"]);
    assertEquals(graph.outputs.map(({ name }) => name), ["output", "h_n"]);
  });

  fact(["MODULE-1", "MODULE-5", "TRAIN-1"], "fine-tuning", () => {
    manualSeed(5);
    const model = new Forecaster();
    forecast(model, 10, 0.02);
    const before = model.lstm.parameters().map((w) => w.tolist());
    model.lstm.requiresGrad_(false);
    model.fc = new Linear(16, 1); // a new head
    const losses = forecast(model, 40, 0.05);
    assert(losses[39] < losses[0] / 2, `${losses[0]} to ${losses[39]}`);
    assertEquals(model.lstm.parameters().map((w) => w.tolist()), before);
    const frozen = new Forecaster().requiresGrad_(false);
    const [output] = frozen.lstm.forward(tensor([[[1]]]));
    assertEquals([output.requiresGrad, frozen.parameters().length], [false, 6]);
    assertThrows(() => new SGD([]), RangeError, "optimizer got an empty parameter list");
  });
});
