/** Ports with one mistake each, by the name that the diagnosis has for it. */

import * as rnn from "../../../mod.ts";
import { type Job, type Outcome, Port, type State, type Weights } from "./port.ts";

class GatesIofg extends Port {
  override lstmGates([i, o, f, g]: rnn.Tensor[]): rnn.Tensor[] {
    return [i, f, g, o];
  }
}

class GatesIfog extends Port {
  override lstmGates([i, f, o, g]: rnn.Tensor[]): rnn.Tensor[] {
    return [i, f, g, o];
  }
}

class GatesZrn extends Port {
  override gruGates([z, r, n]: rnn.Tensor[]): rnn.Tensor[] {
    return [r, z, n];
  }
}

class NoBiasHh extends Port {
  override weights(job: Job, layer: number, direction: number): Weights {
    return { ...super.weights(job, layer, direction), bhh: null };
  }
}

class BiasTwice extends Port {
  override weights(job: Job, layer: number, direction: number): Weights {
    const own = super.weights(job, layer, direction);
    return { ...own, bhh: own.bih };
  }
}

class MergedBiases extends Port {
  override weights(job: Job, layer: number, direction: number): Weights {
    const own = super.weights(job, layer, direction);
    return { ...own, bih: own.bih && own.bhh && rnn.add(own.bih, own.bhh), bhh: null };
  }
}

/** W_hn (r ⊙ h) + b_hn in place of r ⊙ (W_hn h + b_hn). */
class ResetBefore extends Port {
  override gru(x: rnn.Tensor, h: rnn.Tensor, { ih, hh, bih, bhh }: Weights): rnn.Tensor {
    const [xr, xz, xn] = rnn.chunk(rnn.linear(x, ih, bih), 3, -1);
    const [wr, wz, wn] = rnn.chunk(hh, 3, 0);
    const [br, bz, bn] = bhh ? rnn.chunk(bhh, 3, 0) : [null, null, null];
    const r = rnn.sigmoid(rnn.add(xr, rnn.linear(h, wr, br)));
    const z = rnn.sigmoid(rnn.add(xz, rnn.linear(h, wz, bz)));
    return this.update(z, rnn.tanh(rnn.add(xn, rnn.linear(rnn.mul(r, h), wn, bn))), h);
  }
}

class UpdateSwapped extends Port {
  override update(z: rnn.Tensor, n: rnn.Tensor, h: rnn.Tensor): rnn.Tensor {
    return rnn.add(rnn.mul(z, n), rnn.mul(rnn.sub(1, z), h));
  }
}

class HardSigmoid extends Port {
  override sigmoid({ data, shape }: rnn.Tensor): rnn.Tensor {
    return new rnn.Tensor(data.map((x) => Math.max(0, Math.min(1, x / 5 + 0.5))), shape);
  }
}

class NoOuterTanh extends Port {
  override outer(c: rnn.Tensor): rnn.Tensor {
    return c;
  }
}

/** Reads W_hh from memory that it takes for column-major. */
class TransposedHh extends Port {
  override weights(job: Job, layer: number, direction: number): Weights {
    const own = super.weights(job, layer, direction);
    const [rows, columns] = own.hh.shape;
    const data = own.hh.data.slice();
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) data[i * columns + j] = own.hh.data[j * rows + i];
    }
    return { ...own, hh: new rnn.Tensor(data, own.hh.shape) };
  }
}

class SwappedWeights extends Port {
  override weights(job: Job, layer: number, direction: number): Weights {
    const own = super.weights(job, layer, direction);
    return { ...own, ih: own.hh, hh: own.ih };
  }
}

class ReverseWeightsForward extends Port {
  override weights(job: Job, layer: number, _direction: number): Weights {
    return super.weights(job, layer, 0);
  }
}

class ForwardForBackward extends Port {
  override join(sides: rnn.Tensor[][]): rnn.Tensor[] {
    return sides.length === 1 ? sides[0] : super.join([sides[0], sides[0]]);
  }
}

class HalvesSwapped extends Port {
  override join(sides: rnn.Tensor[][]): rnn.Tensor[] {
    return super.join([...sides].reverse());
  }
}

class BackwardUnreversed extends Port {
  override alignReverse(hs: rnn.Tensor[]): rnn.Tensor[] {
    return hs;
  }
}

class BackwardFromEnd extends Port {
  override final(state: State, hs: rnn.Tensor[], direction: number): State {
    return direction === 1 ? [hs[hs.length - 1], ...state.slice(1)] : state;
  }
}

/** The reverse direction runs through the sequence as the forward one does. */
class ReverseRunsForward extends Port {
  override alignReverse(hs: rnn.Tensor[]): rnn.Tensor[] {
    return hs;
  }

  override times(xs: rnn.Tensor[]): rnn.Tensor[] {
    return xs;
  }
}

class DirectionMajor extends Port {
  override rows({ layers, directions }: Job): number[] {
    const rows = [];
    for (let d = 0; d < directions; d++) {
      for (let layer = 0; layer < layers; layer++) rows.push(layer * directions + d);
    }
    return rows;
  }
}

class EveryLayerReadsX extends Port {
  override next(_xs: rnn.Tensor[], input: rnn.Tensor[]): rnn.Tensor[] {
    return input;
  }
}

class StateIgnored extends Port {
  override initial(job: Job, _: State[] | null, row: number, w: Weights): State {
    return super.initial(job, null, row, w);
  }
}

class StatesSwapped extends Port {
  override final(state: State): State {
    return [...state].reverse();
  }
}

/** Runs on through the padding; the output is cut as it should be. */
class FinalFromPadding extends Port {
  override collect(job: Job, outcomes: Outcome[], batched: boolean) {
    if (!job.lengths) return super.collect(job, outcomes, batched);
    const longest = Math.max(...job.lengths);
    const through = job.sequences.map((sequence, n) => {
      const own = this.sequence(job, sequence.slice(0, longest), job.states?.[n] ?? null);
      const outputs = own.outputs.map((x, t) => t < job.lengths![n] ? x : rnn.mul(x, 0));
      return { outputs, finals: own.finals };
    });
    return super.collect(job, through, batched);
  }
}

class LengthsIgnored extends Port {
  override sequence(job: Job, sequence: rnn.Tensor[], states: State[] | null): Outcome {
    return super.sequence(job, sequence, states);
  }

  override read(...given: Parameters<Port["read"]>): Job {
    const job = super.read(...given);
    const { lengths, sequences } = job;
    if (!lengths) return job;
    const longest = Math.max(...lengths);
    return { ...job, lengths: null, sequences: sequences.map((one) => one.slice(0, longest)) };
  }
}

/** One direction runs on through the padding. */
class IgnoredByOne extends Port {
  constructor(direction: number) {
    super();
    this.#direction = direction;
  }
  #direction: number;

  override sequence(job: Job, sequence: rnn.Tensor[], states: State[] | null): Outcome {
    if (!job.lengths || job.directions !== 2) return super.sequence(job, sequence, states);
    const longest = Math.max(...job.lengths);
    const whole = job.sequences.find((one) => one[0] === sequence[0])!.slice(0, longest);
    let xs = whole;
    const finals: State[] = [];
    for (let layer = 0; layer < job.layers; layer++) {
      const sides = [0, 1].map((direction) => {
        const own = direction === this.#direction ? xs : xs.slice(0, sequence.length);
        const w = this.weights(job, layer, direction);
        let state = this.initial(job, states, layer * 2 + direction, w);
        const hs = (direction === 1 ? [...own].reverse() : own).map((x) => {
          state = this.cell(job, x, state, w);
          return state[0];
        });
        finals.push(state);
        const aligned = direction === 1 ? hs.reverse() : hs;
        return xs.map((_, t) => aligned[t] ?? rnn.mul(hs[0], 0));
      });
      xs = this.join(sides);
    }
    return { outputs: xs, finals };
  }
}

/** A relu, or a product, that turns NaN into 0 at the end of each step. */
class NanLost extends Port {
  override cell(job: Job, x: rnn.Tensor, state: State, w: Weights): State {
    const finite = ({ data, shape }: rnn.Tensor) =>
      new rnn.Tensor(data.map((value) => Number.isNaN(value) ? 0 : value), shape);
    return super.cell(job, x, state, w).map(finite);
  }
}

class OutputFlattened extends Port {
  override arrangeOutput(_job: Job, output: rnn.Tensor): rnn.Tensor {
    const [batch, length, features] = output.shape;
    return rnn.reshape(output, [batch, length * features]);
  }
}

class OutputUncut extends Port {
  override collect(job: Job, outcomes: Outcome[], batched: boolean) {
    const whole = outcomes.map(({ outputs, finals }, n) => {
      const missing = job.sequences[n].length - outputs.length;
      return { outputs: [...outputs, ...Array(missing).fill(rnn.mul(outputs[0], 0))], finals };
    });
    return super.collect(job, whole, batched);
  }
}

class OnesSqueezed extends Port {
  override collect(job: Job, outcomes: Outcome[], batched: boolean) {
    const right = super.collect(job, outcomes, batched);
    return Object.fromEntries(
      Object.entries(right).map(([name, { shape, data }]) => [
        name,
        { shape: shape.filter((extent) => extent > 1), data },
      ]),
    );
  }
}

class BatchFirstState extends Port {
  override arrangeState({ batchFirst }: Job, state: rnn.Tensor): rnn.Tensor {
    return batchFirst ? rnn.transpose(state, 0, 1) : state;
  }
}

class NoProjection extends Port {
  override project(h: rnn.Tensor, { hr }: Weights): rnn.Tensor {
    return hr ? rnn.narrow(h, 1, 0, hr.shape[0]) : h;
  }
}

class DropoutInEval extends Port {
  override dropoutActive(): boolean {
    return true;
  }
}

/** Rounds every result to float16, as a machine does that computes in it. */
class Float16 extends Port {
  override cell(job: Job, x: rnn.Tensor, state: State, w: Weights): State {
    const round = ({ data, shape }: rnn.Tensor) => new rnn.Tensor(data.map(Math.f16round), shape);
    return super.cell(job, round(x), state.map(round), w).map(round);
  }
}

class Float16Weights extends Port {
  override weights(job: Job, layer: number, direction: number): Weights {
    const own = Object.entries(super.weights(job, layer, direction));
    return Object.fromEntries(
      own.map(([name, x]) => [name, x && new rnn.Tensor(x.data.map(Math.f16round), x.shape)]),
    ) as unknown as Weights;
  }
}

/** The ports, by the mistake that each makes. */
export const ports: Readonly<Record<string, Port>> = {
  "gates-iofg": new GatesIofg(),
  "gates-ifog": new GatesIfog(),
  "gates-zrn": new GatesZrn(),
  "no-bias-hh": new NoBiasHh(),
  "bias-ih-twice": new BiasTwice(),
  "merged-biases": new MergedBiases(),
  "reset-before": new ResetBefore(),
  "update-swapped": new UpdateSwapped(),
  "hard-sigmoid": new HardSigmoid(),
  "no-outer-tanh": new NoOuterTanh(),
  "stored-transposed-weight_hh": new TransposedHh(),
  "swapped-weights": new SwappedWeights(),
  "reverse-weights-forward": new ReverseWeightsForward(),
  "forward-for-backward": new ForwardForBackward(),
  "halves-swapped": new HalvesSwapped(),
  "backward-unreversed": new BackwardUnreversed(),
  "backward-h-n-from-end": new BackwardFromEnd(),
  "reverse-runs-forward": new ReverseRunsForward(),
  "lengths-ignored-by-forward": new IgnoredByOne(0),
  "lengths-ignored-by-reverse": new IgnoredByOne(1),
  "nan-made-finite": new NanLost(),
  "output-flattened": new OutputFlattened(),
  "output-uncut": new OutputUncut(),
  "ones-squeezed": new OnesSqueezed(),
  "direction-major": new DirectionMajor(),
  "every-layer-reads-x": new EveryLayerReadsX(),
  "h-0-ignored": new StateIgnored(),
  "states-swapped": new StatesSwapped(),
  "h-n-from-padding": new FinalFromPadding(),
  "lengths-ignored": new LengthsIgnored(),
  "batch-first-state": new BatchFirstState(),
  "no-projection": new NoProjection(),
  "dropout-in-eval": new DropoutInEval(),
  "float16-arithmetic": new Float16(),
  "float16-weights": new Float16Weights(),
};
