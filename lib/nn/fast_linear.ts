/** `y = x Wᵀ + b` on the kernels, where there is enough of it. */

import { checkLinear, linearNode } from "../autograd/linear.ts";
import { recordFlow } from "../autograd/graph.ts";
import { anyEngine, engine } from "../kernels/engine.ts";
import { denseForward } from "../kernels/training/dense.ts";
import { denseBackward } from "../kernels/training/dense_backward.ts";
import { Tensor } from "../tensor/tensor.ts";

/** The fewest weights, and the fewest rows, for which packing the weights for one call pays. */
const [leastWeights, leastRows] = [1024, 8];

/**
 * The product on the kernels.
 *
 * @param x shape `(*, H_in)`
 * @param weight W, shape `(H_out, H_in)`
 * @param bias b, shape `(H_out)`, or `null`
 * @returns shape `(*, H_out)`; `null` where the readable path has to compute
 * @throws {RuntimeError} if the shapes or dtypes do not fit, in PyTorch's words
 */
export function fastLinear(x: Tensor, weight: Tensor, bias: Tensor | null): Tensor | null {
  if (!(x instanceof Tensor)) return null; // the readable path says what is wrong
  const [outputs, inputs] = weight.shape;
  const { data } = x;
  const many = weight.data.length >= leastWeights && data.length >= leastRows * inputs;
  const available = many ? engine() : null;
  const [w, b] = [weight.data, bias && bias.data];
  if (available === null || !(data instanceof Float32Array && w instanceof Float32Array)) {
    return null;
  }
  checkLinear(x, weight, bias);
  const sizes = { rows: data.length / inputs, inputs, outputs };
  const y = denseForward(available, sizes, data, w, b as Float32Array | null);
  const [name, keeps] = linearNode([x, weight, bias]);
  return recordFlow(
    new Tensor(y, [...x.shape.slice(0, -1), outputs]),
    name,
    bias ? [x, weight, bias] : [x, weight],
    (grad, wanted) => {
      const dy = grad instanceof Float32Array ? grad : Float32Array.from(grad);
      const given = denseBackward(anyEngine(), sizes, data, w, dy, wanted);
      return bias ? given : given.slice(0, 2);
    },
    keeps,
  );
}
