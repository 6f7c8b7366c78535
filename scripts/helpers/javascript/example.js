// The three layers by hand: an example of an adapter, and the test of the helper.

import { run } from "./rnn_spec_adapter.js";

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/** W x + b for each row of x. */
function affine(x, w, b) {
  const [size, features] = w.shape;
  const rows = x.shape.slice(0, -1).reduce((a, b) => a * b, 1);
  const data = new x.data.constructor(rows * size);
  for (let row = 0; row < rows; row++) {
    for (let k = 0; k < size; k++) {
      let sum = b ? b.data[k] : 0;
      for (let i = 0; i < features; i++) {
        sum += w.data[k * features + i] * x.data[row * features + i];
      }
      data[row * size + k] = sum;
    }
  }
  return { shape: [...x.shape.slice(0, -1), size], data };
}

function layer(kind, x, [h0, c0], w) {
  const [length, batch] = x.shape;
  const { size, activation } = w;
  const output = new x.data.constructor(length * batch * size);
  const round = x.data instanceof Float64Array ? (value) => value : Math.fround;
  const [h, c] = [h0.data.slice(), c0?.data.slice()];
  const count = w.hh.shape[0] / size;
  const from = affine(x, w.ih, w.b_ih).data;
  for (let t = 0; t < length; t++) {
    const back = affine({ shape: [batch, size], data: h }, w.hh, w.b_hh).data;
    for (let n = 0; n < batch; n++) {
      for (let k = 0; k < size; k++) {
        const a = (gate) => from[((t * batch + n) * count + gate) * size + k];
        const b = (gate) => back[(n * count + gate) * size + k];
        const sum = (gate) => round(a(gate) + b(gate));
        const i = n * size + k;
        if (kind === "RNN") {
          h[i] = activation === "relu" ? (sum(0) < 0 ? 0 : sum(0)) : Math.tanh(sum(0));
        } else if (kind === "GRU") {
          const [r, z] = [sigmoid(sum(0)), sigmoid(sum(1))];
          h[i] = (1 - z) * Math.tanh(a(2) + r * b(2)) + z * h[i];
        } else {
          c[i] = sigmoid(sum(1)) * c[i] + sigmoid(sum(0)) * Math.tanh(sum(2));
          h[i] = sigmoid(sum(3)) * Math.tanh(c[i]);
        }
      }
    }
    output.set(h, t * batch * size);
  }
  const last = { shape: [batch, size], data: h };
  return [
    { shape: [length, batch, size], data: output },
    last,
    c && { shape: [batch, size], data: c },
  ];
}

run({ name: "plain JavaScript", layer, linear: affine, dtypes: ["float32", "float64"] });
