/**
 * A port of the recurrent layers as somebody would write it in an evening: one sequence at a time,
 * loops, nothing shared with `lib/nn`. It is right; the other files beside it make one mistake
 * each, at the place where a porter would make it.
 */

import * as rnn from "../../../mod.ts";
import {
  type Answer,
  decode,
  decodeStateDict,
  encode,
  type JsonTensor,
  type Request,
} from "../../../lib/conformance/mod.ts";

/** Weights of one layer and direction. */
export interface Weights {
  ih: rnn.Tensor;
  hh: rnn.Tensor;
  bih: rnn.Tensor | null;
  bhh: rnn.Tensor | null;
  hr: rnn.Tensor | null;
}

/** `[h]` or `[h, c]`, each of shape `(1, H)`. */
export type State = rnn.Tensor[];

/** A request, read. */
export interface Job {
  kind: "RNN" | "LSTM" | "GRU";
  layers: number;
  directions: number;
  batchFirst: boolean;
  dropout: number;
  relu: boolean;
  weights: rnn.StateDict;
  /** For each sequence, for each time step, `(1, H_in)`. */
  sequences: rnn.Tensor[][];
  /** For each sequence, how much of it is data; `null` where nothing was packed. */
  lengths: number[] | null;
  /** For each sequence, for each row `layer · D + direction`, the state; `null` for zeros. */
  states: State[][] | null;
}

/** What one sequence gives. */
export interface Outcome {
  outputs: rnn.Tensor[];
  finals: State[];
}

/** The port. */
export class Port {
  /** Answers a request of the protocol. */
  answer(request: Request): Answer {
    const { op, module = "", inputs } = request;
    if (op !== "forward" || !/^(RNN|LSTM|GRU)$/.test(module)) return { unsupported: "not ported" };
    const { shape } = inputs!.input as JsonTensor;
    if (shape.includes(0)) return { unsupported: "nothing to compute" };
    try {
      return rnn.noGrad(() => this.run(request, shape.length === 3));
    } catch (error) {
      return { error: { type: "Error", message: (error as Error).message } };
    }
  }

  run(request: Request, batched: boolean): Answer {
    const job = this.read(request, batched);
    const longest = Math.max(...(job.lengths ?? [job.sequences[0].length]));
    const outcomes = job.sequences.map((sequence, n) => {
      const own = sequence.slice(0, job.lengths?.[n]);
      const { outputs, finals } = this.sequence(job, own, job.states?.[n] ?? null);
      const padding = rnn.zeros(outputs[0].shape, { dtype: outputs[0].dtype });
      return { outputs: [...outputs, ...Array(longest - outputs.length).fill(padding)], finals };
    });
    return { outputs: this.collect(job, outcomes, batched) };
  }

  /** Reads a request. */
  read({ module, args = {}, dtype = "float32", ...request }: Request, batched: boolean): Job {
    const inputs = request.inputs ?? {};
    const tensor = (name: string) => {
      const x = decode(inputs[name] as JsonTensor, dtype);
      if (batched) return x;
      return rnn.unsqueeze(x, name === "input" && args.batch_first ? 0 : 1);
    };
    const input = args.batch_first ? tensor("input") : rnn.transpose(tensor("input"), 0, 1);
    const [batch, length] = input.shape;
    const names = module === "LSTM" ? ["h_0", "c_0"] : ["h_0"];
    const states = inputs.h_0 ? names.map(tensor) : null;
    const kind = module as Job["kind"];
    const count = (n: number) => [...Array(n).keys()];
    const row = (x: rnn.Tensor, i: number, j: number) =>
      rnn.reshape(rnn.select(rnn.select(x, 0, i), 0, j), [1, x.shape[2]]);
    return {
      kind,
      layers: Number(args.num_layers ?? 1),
      directions: args.bidirectional ? 2 : 1,
      batchFirst: args.batch_first === true,
      dropout: Number(args.dropout ?? 0) * Number(this.dropoutActive(request.training === true)),
      relu: args.nonlinearity === "relu",
      weights: decodeStateDict({ ...request, dtype }),
      sequences: count(batch).map((n) => count(length).map((t) => row(input, n, t))),
      lengths: (inputs.lengths as number[]) ?? null,
      states: states &&
        count(batch).map((n) =>
          count(states[0].shape[0]).map((k) => states.map((x) => row(x, k, n)))
        ),
    };
  }

  dropoutActive(training: boolean): boolean {
    return training;
  }

  /** The weights of one layer and direction. */
  weights({ weights }: Job, layer: number, direction: number): Weights {
    const suffix = direction === 1 ? `_l${layer}_reverse` : `_l${layer}`;
    return {
      ih: weights[`weight_ih${suffix}`],
      hh: weights[`weight_hh${suffix}`],
      bih: weights[`bias_ih${suffix}`] ?? null,
      bhh: weights[`bias_hh${suffix}`] ?? null,
      hr: weights[`weight_hr${suffix}`] ?? null,
    };
  }

  /** The state that a layer and direction starts from. */
  initial(job: Job, states: State[] | null, row: number, w: Weights): State {
    if (states) return states[row];
    const options = { dtype: w.hh.dtype };
    const h = rnn.zeros([1, w.hh.shape[1]], options);
    const c = rnn.zeros([1, w.hr ? w.hr.shape[1] : w.hh.shape[1]], options);
    return job.kind === "LSTM" ? [h, c] : [h];
  }

  /** One sequence through all layers. */
  sequence(job: Job, sequence: rnn.Tensor[], states: State[] | null): Outcome {
    let xs = sequence;
    const finals: State[] = [];
    for (let layer = 0; layer < job.layers; layer++) {
      const sides: rnn.Tensor[][] = [];
      for (let direction = 0; direction < job.directions; direction++) {
        const w = this.weights(job, layer, direction);
        let state = this.initial(job, states, layer * job.directions + direction, w);
        const hs: rnn.Tensor[] = [];
        for (const x of direction === 1 ? this.times(xs) : xs) {
          state = this.cell(job, x, state, w);
          hs.push(state[0]);
        }
        sides.push(direction === 1 ? this.alignReverse(hs) : hs);
        finals.push(this.final(state, sides[direction], direction));
      }
      xs = this.join(sides);
      if (job.dropout && layer < job.layers - 1) {
        xs = xs.map((x) => rnn.dropout(x, job.dropout, true));
      }
      xs = layer < job.layers - 1 ? this.next(xs, sequence) : xs;
    }
    return { outputs: xs, finals };
  }

  /** The steps in the order in which the reverse direction takes them. */
  times(xs: rnn.Tensor[]): rnn.Tensor[] {
    return [...xs].reverse();
  }

  /** The reverse direction's outputs, computed from the last step on, in the order of time. */
  alignReverse(hs: rnn.Tensor[]): rnn.Tensor[] {
    return [...hs].reverse();
  }

  /** What goes into h_n. */
  final(state: State, _hs: rnn.Tensor[], _direction: number): State {
    return state;
  }

  /** Both directions side by side. */
  join(sides: rnn.Tensor[][]): rnn.Tensor[] {
    return sides[0].map((_, t) => rnn.cat(sides.map((hs) => hs[t]), -1));
  }

  /** What the next layer reads. */
  next(xs: rnn.Tensor[], _input: rnn.Tensor[]): rnn.Tensor[] {
    return xs;
  }

  sigmoid(x: rnn.Tensor): rnn.Tensor {
    return rnn.sigmoid(x);
  }

  /** One step. */
  cell(job: Job, x: rnn.Tensor, state: State, w: Weights): State {
    if (job.kind === "LSTM") return this.lstm(x, state, w);
    return [job.kind === "GRU" ? this.gru(x, state[0], w) : this.elman(job, x, state[0], w)];
  }

  elman({ relu }: Job, x: rnn.Tensor, h: rnn.Tensor, w: Weights): rnn.Tensor {
    const sum = rnn.add(rnn.linear(x, w.ih, w.bih), rnn.linear(h, w.hh, w.bhh));
    return relu ? rnn.relu(sum) : rnn.tanh(sum);
  }

  lstm(x: rnn.Tensor, [h, c]: State, w: Weights): State {
    const sums = rnn.add(rnn.linear(x, w.ih, w.bih), rnn.linear(h, w.hh, w.bhh));
    const [i, f, g, o] = this.lstmGates(rnn.chunk(sums, 4, -1));
    const next = rnn.add(
      rnn.mul(this.sigmoid(f), c),
      rnn.mul(this.sigmoid(i), rnn.tanh(g)),
    );
    return [this.project(rnn.mul(this.sigmoid(o), this.outer(next)), w), next];
  }

  /** The gates as i, f, g, o. */
  lstmGates(gates: rnn.Tensor[]): rnn.Tensor[] {
    return gates;
  }

  outer(c: rnn.Tensor): rnn.Tensor {
    return rnn.tanh(c);
  }

  project(h: rnn.Tensor, { hr }: Weights): rnn.Tensor {
    return hr ? rnn.linear(h, hr) : h;
  }

  gru(x: rnn.Tensor, h: rnn.Tensor, w: Weights): rnn.Tensor {
    const [xr, xz, xn] = this.gruGates(rnn.chunk(rnn.linear(x, w.ih, w.bih), 3, -1));
    const [hr, hz, hn] = this.gruGates(rnn.chunk(rnn.linear(h, w.hh, w.bhh), 3, -1));
    const r = this.sigmoid(rnn.add(xr, hr));
    const z = this.sigmoid(rnn.add(xz, hz));
    const n = rnn.tanh(rnn.add(xn, rnn.mul(r, hn)));
    return this.update(z, n, h);
  }

  /** The gates as r, z, n. */
  gruGates(gates: rnn.Tensor[]): rnn.Tensor[] {
    return gates;
  }

  update(z: rnn.Tensor, n: rnn.Tensor, h: rnn.Tensor): rnn.Tensor {
    return rnn.add(rnn.mul(rnn.sub(1, z), n), rnn.mul(z, h));
  }

  /** Puts the sequences' outcomes together. */
  collect(job: Job, outcomes: Outcome[], batched: boolean): Record<string, JsonTensor> {
    const rows = this.rows(job);
    const states = outcomes[0].finals[0].map((_, k) =>
      this.arrangeState(
        job,
        rnn.stack(rows.map((row) => rnn.cat(outcomes.map(({ finals }) => finals[row][k]), 0))),
      )
    );
    const output = rnn.stack(outcomes.map(({ outputs }) => rnn.cat(outputs, 0)), 0); // (N, L, F)
    const named = {
      output: this.arrangeOutput(job, output),
      h_n: states[0],
      ...(states[1] && { c_n: states[1] }),
    };
    return Object.fromEntries(
      Object.entries(named).map(([name, x]) => {
        if (batched) return [name, encode(x)];
        const flat = x.shape.filter((_, dim) =>
          dim !== (name === "output" && job.batchFirst ? 0 : 1)
        );
        return [name, encode(rnn.reshape(x, flat))];
      }),
    );
  }

  /** In which order the rows of the state are handed out. */
  rows({ layers, directions }: Job): number[] {
    return [...Array(layers * directions).keys()];
  }

  arrangeState(_job: Job, state: rnn.Tensor): rnn.Tensor {
    return state;
  }

  arrangeOutput({ batchFirst }: Job, output: rnn.Tensor): rnn.Tensor {
    return batchFirst ? output : rnn.transpose(output, 0, 1);
  }
}
