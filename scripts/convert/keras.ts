/** A network's weights as Keras reads them: a file for `model.load_weights`, in HDF5. */

import {
  fromKeras,
  type KerasLayer,
  type StateDict,
  Tensor,
  toKeras,
  transpose,
} from "../../mod.ts";
import { noGrad } from "../../mod.ts";
import { type Network, refuseAround } from "./network.ts";

/** One Keras layer: its line of Python, and its weights by their path in the file. */
interface Part {
  python: string;
  /** The path of each group of weights, and the weights in it. */
  groups: [string, Tensor[]][];
}

const folders = { SimpleRNN: "simple_rnn", LSTM: "lstm", GRU: "gru" };

function weightsOf({ kernel, recurrentKernel, bias }: KerasLayer): Tensor[] {
  return bias ? [kernel, recurrentKernel, bias] : [kernel, recurrentKernel];
}

/** The layers of a `keras.Sequential` that computes what the network computes. */
function partsOf(network: Network): Part[] {
  refuseAround(network, "the Keras file");
  const { state, head, layer, detected, options } = network;
  const layers = toKeras(state);
  const both = detected.bidirectional;
  const parts = layers.map((directions, k): Part => {
    const [{ className, units, bias }] = directions;
    const folder = both ? "bidirectional" : folders[className];
    const path = `layers/${folder}${k > 0 ? `_${k}` : ""}`;
    const relu = "nonlinearity" in layer && layer.nonlinearity === "relu";
    // Read from its end, a sequence ends at its first step: PyTorch's last step is another.
    const every = k < layers.length - 1 || !head || options.everyStep || both;
    const python = `keras.layers.${className}(${units}` +
      `${relu ? ', activation="relu"' : ""}${bias ? "" : ", use_bias=False"}` +
      `${every ? ", return_sequences=True" : ""})`;
    return {
      python: both ? `keras.layers.Bidirectional(${python})` : python,
      groups: directions.map((one, direction) => [
        `${path}${both ? ["/forward_layer", "/backward_layer"][direction] : ""}/cell/vars`,
        weightsOf(one),
      ]),
    };
  });
  if (head) {
    const weight = noGrad(() => transpose(head.weight, 0, 1));
    const python = `keras.layers.Dense(${head.outFeatures}${head.bias ? "" : ", use_bias=False"})`;
    parts.push({
      python,
      groups: [["layers/dense/vars", head.bias ? [weight, head.bias] : [weight]]],
    });
  }
  return parts;
}

/** All weights, in the order in which Keras's `set_weights` takes them. */
export function kerasWeights(network: Network): Tensor[] {
  return partsOf(network).flatMap(({ groups }) => groups.flatMap(([, weights]) => weights));
}

/** The Python that makes the model that reads the file. */
export function kerasProgram(network: Network, path: string): string[] {
  const { detected, head, options } = network;
  const lines = partsOf(network).map(({ python }) => `    ${python},`);
  const cut = head && detected.bidirectional && !options.everyStep;
  return [
    "model = keras.Sequential([",
    `    keras.layers.Input((None, ${detected.inputSize})),  # (N, L, H_in): the batch is first`,
    ...lines,
    "])",
    `model.load_weights(${JSON.stringify(path)})`,
    ...(cut ? ["# every step; PyTorch's is the last: model(x)[:, -1]"] : []),
  ];
}

// Not named literally, so that only who converts to Keras downloads it.
const library = "npm:h5wasm@0.10.3/node";

/**
 * Writes the file.
 *
 * @param path where to; Keras wants a name that ends in `.weights.h5`
 */
export async function writeKeras(network: Network, path: string): Promise<void> {
  const { default: h5 } = await import(library);
  await h5.ready;
  const file = new h5.File(path, "w");
  const made = new Set<string>();
  for (const { groups } of partsOf(network)) {
    for (const [folder, weights] of groups) {
      folder.split("/").forEach((_, k, names) => {
        const group = names.slice(0, k + 1).join("/");
        if (!made.has(group)) file.create_group(group);
        made.add(group);
      });
      weights.forEach(({ data, shape }, k) =>
        file.create_dataset({ name: `${folder}/${k}`, data, shape: [...shape], dtype: "<f" })
      );
    }
  }
  file.close();
}

/**
 * Reads the file again.
 *
 * @returns the weights of the recurrent module and of the Linear, by PyTorch's names
 */
export async function readKeras(
  network: Network,
  path: string,
): Promise<{ state: StateDict; head: StateDict }> {
  const { default: h5 } = await import(library);
  await h5.ready;
  const file = new h5.File(path, "r");
  const read = (folder: string, k: number): Tensor => {
    const { value, shape } = file.get(`${folder}/${k}`);
    return new Tensor(Float32Array.from(value), shape);
  };
  const parts = partsOf(network).map(({ groups }) =>
    groups.map(([folder, weights]) => weights.map((_, k) => read(folder, k)))
  );
  file.close();
  const [head] = network.head ? parts.pop()! : [[]];
  const layers = toKeras(network.state).map((directions, k) =>
    directions.map((layer, direction): KerasLayer => {
      const [kernel, recurrentKernel, bias = null] = parts[k][direction];
      return { ...layer, kernel, recurrentKernel, bias };
    })
  );
  const [weight, bias] = head;
  return {
    state: fromKeras(layers),
    head: weight ? { weight: noGrad(() => transpose(weight, 0, 1)), ...(bias && { bias }) } : {},
  };
}
