/** The activations that ONNX's recurrent operators name. */

import { quote } from "../checkpoints/refuse.ts";
import { ValueError } from "../errors.ts";

/** An activation of a node: its name, and the numbers that belong to it. */
export interface OnnxActivation {
  /** ONNX's name. */
  readonly name: string;
  /** α; `null` where the activation has none. */
  readonly alpha: number | null;
  /** β; `null` where the activation has none. */
  readonly beta: number | null;
}

/** What is known of an activation: its equation, and α and β where they are left out. */
interface Known {
  readonly of: (x: number, alpha: number, beta: number) => number;
  /** For α, then β: the default, or `null` where ONNX has none; left out where there is no such number. */
  readonly numbers?: readonly (number | null)[];
}

/** ONNX's names and equations, ONNX-7; numbers are float32, as all attributes are. */
const known: Readonly<Record<string, Known>> = {
  Relu: { of: (x) => Math.max(x, 0) },
  Tanh: { of: Math.tanh },
  Sigmoid: { of: (x) => 1 / (1 + Math.exp(-x)) },
  Affine: { of: (x, alpha, beta) => alpha * x + beta, numbers: [null, null] },
  LeakyRelu: { of: (x, alpha) => x >= 0 ? x : alpha * x, numbers: [Math.fround(0.01)] },
  ThresholdedRelu: { of: (x, alpha) => x < alpha ? 0 : x, numbers: [1] },
  ScaledTanh: { of: (x, alpha, beta) => alpha * Math.tanh(beta * x), numbers: [null, null] },
  HardSigmoid: {
    of: (x, alpha, beta) => Math.min(Math.max(alpha * x + beta, 0), 1),
    numbers: [Math.fround(0.2), 0.5],
  },
  Elu: { of: (x, alpha) => x >= 0 ? x : alpha * Math.expm1(x), numbers: [1] },
  Softsign: { of: (x) => Math.abs(x) === Infinity ? Math.sign(x) : x / (1 + Math.abs(x)) },
  Softplus: { of: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))) },
};

/** ONNX's names by what they are in lower case, which some files write. */
const names = new Map(Object.keys(known).map((name) => [name.toLowerCase(), name]));

/**
 * Reads a node's lists of activations.
 *
 * @param given the attribute `activations`: names, for each direction in turn
 * @param alphas the attribute `activation_alpha`: one number for each activation that takes one, in
 * the order of the activations
 * @param betas the attribute `activation_beta`, likewise
 * @throws {ValueError} if a name is none of ONNX's, or the numbers are not those that are taken
 */
export function readActivations(
  given: readonly string[],
  alphas: readonly number[],
  betas: readonly number[],
): OnnxActivation[] {
  const chosen = given.map((text) => {
    const name = names.get(text.toLowerCase());
    if (name === undefined) {
      throw new ValueError(
        `activations: ${quote(text)} is none of ${[...names.values()]}`,
      );
    }
    return name;
  });
  const column = (word: string, list: readonly number[], place: number) => {
    let next = 0;
    const numbers = chosen.map((name) => {
      const usual = known[name].numbers?.[place];
      if (usual === undefined) return null;
      const own = next < list.length ? Math.fround(list[next++]) : usual;
      if (own === null) {
        throw new ValueError(`activation_${word}: ${name} needs one, ONNX has no default for it`);
      }
      return own;
    });
    // Numbers that no activation takes have no meaning; which of more are meant, nobody says.
    if (next > 0 && next < list.length) {
      throw new ValueError(
        `activation_${word} has ${list.length} numbers, the activations ${given} take ${next}`,
      );
    }
    return numbers;
  };
  const [alpha, beta] = [column("alpha", alphas, 0), column("beta", betas, 1)];
  return chosen.map((name, k) => ({ name, alpha: alpha[k], beta: beta[k] }));
}

/**
 * An activation as a function of one number.
 *
 * @param clip the bound that its input is clipped to, or `null`
 */
export function activationOf(
  { name, alpha, beta }: OnnxActivation,
  clip: number | null,
): (x: number) => number {
  const { of } = known[name];
  const [a, b] = [alpha ?? 0, beta ?? 0];
  if (clip === null) return (x) => of(x, a, b);
  return (x) => of(Math.min(Math.max(x, -clip), clip), a, b);
}
