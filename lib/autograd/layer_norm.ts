/** Numbers brought to mean 0 and variance 1. */

import { RuntimeError } from "../errors.ts";
import { allocate, checkFloat, listed, numel, sameShape, words } from "../tensor/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";
import { record } from "./graph.ts";

/**
 * `(x - mean) / √(variance + eps) · w + b` over the last dimensions
 * (`torch.nn.functional.layer_norm`; NORM-1).
 *
 * @throws {RuntimeError} if the shapes or the dtypes do not fit
 */
export function layerNorm(
  input: Tensor,
  shape: readonly number[],
  weight: Tensor | null,
  bias: Tensor | null,
  eps: number,
): Tensor {
  if (shape.length === 0) {
    throw new RuntimeError(
      "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one " +
        "element, but got normalized_shape = []",
    );
  }
  if (!sameShape(input.shape.slice(-shape.length), shape)) {
    throw new RuntimeError(
      `Given normalized_shape=${listed(shape)}, expected input with shape ` +
        `[*, ${shape.join(", ")}], but got input of size${listed(input.shape)}`,
    );
  }
  const parameters = [weight, bias].filter((one) => one !== null);
  const [first = input] = parameters;
  if (first.dtype !== input.dtype) {
    throw new RuntimeError(
      "mixed dtype (CPU): " +
        (parameters.every(({ dtype }) => dtype === "float32")
          ? "all inputs must share same datatype."
          : "expect parameter to have scalar type of Float"),
    );
  }
  if (bias && bias.dtype !== input.dtype) {
    const [wanted, given] = [input, bias].map(({ dtype }) => words[dtype][0]);
    throw new RuntimeError(`expected scalar type ${wanted} but found ${given}`);
  }
  checkFloat(input.dtype, "LayerNormKernelImpl");
  const n = numel(shape);
  const { data: x } = input;
  const [w, b] = [weight?.data, bias?.data];
  const y = allocate(input.dtype, x.length);
  const normal = new Float64Array(x.length); // (x - mean) / deviation
  const scales = new Float64Array(n && x.length / n); // 1 / deviation, of each row
  scales.forEach((_, row) => {
    const start = row * n;
    let [mean, variance] = [0, 0];
    for (let k = 0; k < n; k++) mean += x[start + k] / n;
    for (let k = 0; k < n; k++) variance += (x[start + k] - mean) ** 2 / n;
    scales[row] = 1 / Math.sqrt(variance + eps);
    for (let k = 0; k < n; k++) {
      const value = normal[start + k] = (x[start + k] - mean) * scales[row];
      y[start + k] = value * (w ? w[k] : 1) + (b ? b[k] : 0);
    }
  });
  const output = new Tensor(y, input.shape);
  return record(output, "NativeLayerNormBackward0", [input, ...parameters], (dy, dx, ...grads) => {
    const dw = weight ? grads.shift() : undefined;
    const [db] = grads;
    scales.forEach((scale, row) => {
      const start = row * n;
      let [mean, along] = [0, 0];
      for (let k = 0; k < n; k++) {
        const [d, value] = [dy[start + k], normal[start + k]];
        if (dw) dw[k] += d * value;
        if (db) db[k] += d;
        const own = d * (w ? w[k] : 1);
        mean += own / n;
        along += own * value / n;
      }
      for (let k = 0; dx && k < n; k++) {
        const own = dy[start + k] * (w ? w[k] : 1);
        dx[start + k] += scale * (own - mean - normal[start + k] * along);
      }
    });
  }, [bias, input, weight]);
}
