/** A training step in other JavaScript libraries. */

// deno-lint-ignore-file no-explicit-any -- their types are large, and only a few functions are used

import { noGrad, type Tensor, toKeras, transpose } from "../../../mod.ts";
import { gates } from "../work.ts";
import { dataOf, networkOf, type Step, type TrainingWork } from "./works.ts";

const turned = (weight: Tensor) => noGrad(() => transpose(weight, 0, 1));

/** tfjs, on its backend `cpu` or `wasm`. */
export async function tfjs(work: TrainingWork, backend: string): Promise<Step> {
  console.log = console.warn = () => {};
  const tf: any = await import("npm:@tensorflow/tfjs@4.22.0" as string);
  if (backend === "wasm") await import("npm:@tensorflow/tfjs-backend-wasm@4.22.0" as string);
  await tf.setBackend(backend);
  await tf.ready();
  const { kind, inputs, hidden, layers, outputs, batch, length, classes } = work;
  const make = { RNN: "simpleRNN", LSTM: "lstm", GRU: "gru" }[kind];
  const model = tf.sequential();
  for (let layer = 0; layer < layers; layer++) {
    model.add(tf.layers[make]({
      units: hidden,
      ...(layer === 0 && { inputShape: [length, inputs] }),
      returnSequences: classes || layer < layers - 1,
      recurrentInitializer: "zeros",
      ...(kind !== "RNN" && { recurrentActivation: "sigmoid" }),
    }));
  }
  model.add(tf.layers.dense({ units: outputs, ...(classes && { activation: "softmax" }) }));
  const optimizer = tf.train.adam(1e-3, 0.9, 0.999, 1e-8);
  model.compile({ optimizer, loss: classes ? "categoricalCrossentropy" : "meanSquaredError" });
  const { body, head } = networkOf(work);
  const array = ({ data, shape }: any) => tf.tensor(Float32Array.from(data), [...shape]);
  if (kind !== "GRU") { // its GRU has one bias: it starts from its own weights
    toKeras(body.stateDict()).forEach(([own], layer) => {
      const weights = [own.kernel, own.recurrentKernel, own.bias].map(array);
      model.layers[layer].setWeights(weights);
    });
  }
  model.layers[layers].setWeights([turned(head.weight), head.bias].map(array));
  const data = dataOf(work);
  const x = tf.tidy(() => tf.tensor(data.x, [length, batch, inputs]).transpose([1, 0, 2]));
  const y = classes
    ? tf.tidy(() =>
      tf.oneHot(tf.tensor1d(data.y, "int32"), outputs).reshape([length, batch, outputs])
        .transpose([1, 0, 2]).cast("float32")
    )
    : tf.tensor(data.y, [batch, outputs]);
  return async () => await model.trainOnBatch(x, y);
}

/** jax-js on its WebAssembly backend: a compiled cell, called step by step. */
export async function jax(work: TrainingWork): Promise<Step> {
  const all: any = await import("npm:@jax-js/jax@0.1.25" as string);
  await all.init("wasm");
  all.defaultDevice("wasm");
  const { numpy: np, nn, jit, valueAndGrad, tree } = all;
  const { kind, inputs, hidden, layers, outputs, batch, length, classes } = work;
  const { body, head } = networkOf(work);
  const array = (x: any) => np.array(Float32Array.from(x.data)).reshape([...x.shape]);
  const state: any = body.stateDict();
  let parameters: any = {
    layers: Array.from({ length: layers }, (_, layer) => ({
      w: array(turned(state[`weight_ih_l${layer}`])),
      u: array(turned(state[`weight_hh_l${layer}`])),
      b: array(state[`bias_ih_l${layer}`]),
      d: array(state[`bias_hh_l${layer}`]),
    })),
    w: array(turned(head.weight)),
    b: array(head.bias),
  };
  const gate = (z: any, k: number) => z.slice([], [k * hidden, (k + 1) * hidden]);
  const cell = jit((x: any, h: any, c: any, u: any, d: any): any[] => {
    const sums = np.dot(h.ref, u).add(d);
    if (kind === "GRU") {
      const [r, z] = [0, 1].map((k) => nn.sigmoid(gate(x.ref, k).add(gate(sums.ref, k))));
      const n = np.tanh(gate(x, 2).add(r.mul(gate(sums, 2))));
      return [n.ref.add(z.mul(h.sub(n))), c];
    }
    h.dispose();
    const z = x.add(sums);
    if (kind === "RNN") return [np.tanh(z), c];
    const [i, f] = [0, 1].map((k) => nn.sigmoid(gate(z.ref, k)));
    const g = np.tanh(gate(z.ref, 2));
    const o = nn.sigmoid(gate(z, 3));
    const c1 = f.mul(c).add(i.mul(g));
    return [o.mul(np.tanh(c1.ref)), c1];
  });
  const loss = (p: any, x: any, y: any) => {
    let below = x;
    let last: any;
    for (let layer = 0; layer < layers; layer++) {
      const { w, u, b, d } = p.layers[layer];
      const sums = np.dot(below, w).add(b).reshape([length, batch, gates[kind] * hidden]);
      let [h, c] = [np.zeros([batch, hidden]), np.zeros([batch, hidden])];
      const outs: any[] = [];
      const keeps = classes || layer < layers - 1;
      for (let t = 0; t < length; t++) {
        [h, c] = cell(sums.ref.slice(t), h, c, u.ref, d.ref);
        if (keeps) outs.push(h.ref);
      }
      for (const used of [sums, u, d, c]) used.dispose();
      if (keeps) {
        h.dispose();
        below = np.stack(outs).reshape([length * batch, hidden]);
      } else last = h;
    }
    const z = np.dot(classes ? below : last, p.w).add(p.b);
    if (!classes) return np.mean(np.square(z.sub(y)));
    return np.mean(np.sum(nn.logSoftmax(z, -1).mul(y), -1)).mul(-1);
  };
  const adam = jit((p: any, m: any, v: any, g: any, rate: any, root: any) => {
    const m1 = tree.map((a: any, b: any) => a.mul(0.9).add(b.mul(0.1)), m, tree.ref(g));
    const v1 = tree.map((a: any, b: any) => a.mul(0.999).add(np.square(b).mul(0.001)), v, g);
    const step = (a: any, b: any, c: any) =>
      a.sub(b.mul(rate.ref).div(np.sqrt(c).mul(root.ref).add(1e-8)));
    const p1 = tree.map(step, p, tree.ref(m1), tree.ref(v1));
    for (const used of [rate, root]) used.dispose();
    return [p1, m1, v1];
  });
  const gradients = valueAndGrad(loss);
  const data = dataOf(work);
  const x = np.array(data.x).reshape([length * batch, inputs]);
  const target = classes ? new Float32Array(data.y.length * outputs) : data.y;
  if (classes) data.y.forEach((c, row) => target[row * outputs + c] = 1);
  const y = np.array(target).reshape([classes ? length * batch : batch, outputs]);
  const nothing = () => tree.map((a: any) => np.zerosLike(a), tree.ref(parameters));
  let [m, v, t] = [nothing(), nothing(), 0];
  return async () => {
    t++;
    const [value, g] = gradients(tree.ref(parameters), x.ref, y.ref);
    const [rate, root] = [1e-3 / (1 - 0.9 ** t), 1 / Math.sqrt(1 - 0.999 ** t)];
    [parameters, m, v] = adam(parameters, m, v, g, np.array(rate), np.array(root));
    await all.blockUntilReady(parameters);
    return (await value.data())[0];
  };
}
