/**
 * What turns a cell into a layer: time, directions, layers, and batches of sequences that end at
 * different times (STACK-1 to STACK-6, STACK-9, PACK-4, PACK-5), for all cells, on the readable path.
 * Where the kernels compute (`fast.ts`), nothing of this runs. Otherwise a module's `forward` checks
 * its input, cuts it into time steps and calls `runLayers`, which calls `scan` for each layer and
 * direction, which calls the cell's equation for each step.
 */

import { cat, stack } from "../autograd/join.ts";
import { narrow, select } from "../autograd/slices.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { CellTensors, Equation, State } from "./cell.ts";

/**
 * A batch of sequences, longest first, as one tensor a time step: `steps[t]` has the shape
 * `(N_t, features)`, where N_t counts the sequences longer than t, and never grows with t. Where
 * all are equally long, all N_t are N.
 */
export type Steps = readonly Tensor[];

/** `length` rows of the batch from `start` on, of each tensor of the state. */
function rows(state: State, start: number, length: number): State {
  return state.map((part) =>
    start === 0 && length === part.shape[0] ? part : narrow(part, 0, start, length)
  );
}

/** States of parts of a batch, put below each other again. */
function join(states: readonly State[]): State {
  if (states.length === 1) return states[0];
  return states[0].map((_, k) => cat(states.map((state) => state[k]), 0));
}

/**
 * Runs a cell over time (STACK-1), in one direction (STACK-3). Each row of the batch starts from its
 * own row of `initial` at its own first step and stops at its own last one, whichever way time runs
 * (PACK-5).
 *
 * @returns the hidden state at every t, in the order of t, and each row's state where it stopped
 */
function scan(
  equation: Equation,
  parameters: CellTensors,
  steps: Steps,
  initial: State,
  reverse: boolean,
): { outputs: Tensor[]; final: State } {
  const outputs = Array<Tensor>(steps.length);
  const times = [...steps.keys()];
  if (reverse) times.reverse(); // STACK-3
  let state = rows(initial, 0, steps[times[0]].shape[0]);
  const stopped: State[] = []; // longest first, like the batch
  for (const t of times) {
    const [before, now] = [state[0].shape[0], steps[t].shape[0]];
    if (now < before) { // PACK-4, forward: the shortest sequences ended at the step before
      stopped.unshift(rows(state, now, before - now));
      state = rows(state, 0, now);
    } else if (now > before) { // PACK-4, reverse: shorter sequences begin, at their last element
      state = join([state, rows(initial, before, now - before)]);
    }
    state = equation.step(steps[t], state, parameters); // STACK-1
    outputs[t] = state[0];
  }
  return { outputs, final: join([state, ...stopped]) };
}

/**
 * Runs a stack of layers. Each layer reads what the one below put out at every step: its hidden
 * states, of both directions side by side.
 *
 * @param cells the parameters of each layer and direction, at index `layer · directions + direction`
 * @param directions 1, or 2 for forward and reverse
 * @param initial the state of every layer and direction, each part of shape
 * `(layers · directions, N, H)`
 * @param betweenLayers what happens to a layer's output on its way to the next, at each step
 * @returns the last layer's output at every step, and the final states, shaped as `initial`
 */
export function runLayers(
  equation: Equation,
  cells: readonly CellTensors[],
  directions: number,
  steps: Steps,
  initial: State,
  betweenLayers: (output: Tensor) => Tensor,
): { outputs: Steps; final: State } {
  let outputs = steps;
  const finals: State[] = [];
  for (let first = 0; first < cells.length; first += directions) {
    const below = first === 0 ? steps : outputs.map(betweenLayers); // STACK-2
    const results = cells.slice(first, first + directions).map((own, direction) => {
      const start = initial.map((part) => select(part, 0, first + direction)); // STACK-5
      return scan(equation, own, below, start, direction === 1);
    });
    finals.push(...results.map(({ final }) => final));
    outputs = steps.map((_, t) => {
      const sides = results.map(({ outputs }) => outputs[t]);
      return sides.length === 1 ? sides[0] : cat(sides, -1); // STACK-4
    });
  }
  const final = initial.map((_, k) => stack(finals.map((state) => state[k]))); // STACK-6
  return { outputs, final };
}
