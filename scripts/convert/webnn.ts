/**
 * A network's weights as WebNN's methods take them: operands in a safetensors file, and the options
 * of each method in its metadata.
 */

import {
  fromWebnn,
  readSafetensors,
  type StateDict,
  type Tensor,
  toWebnn,
  type WebnnLayer,
  writeSafetensors,
} from "../../mod.ts";
import { type Network, refuseAround } from "./network.ts";

const operands = ["weight", "recurrentWeight", "bias", "recurrentBias"] as const;

/**
 * Writes the file: operand `0.weight` is the first layer's, and so on; `head.weight` and `head.bias`
 * are the Linear's; the metadata `webnn` is a JSON list of each layer's method and options.
 */
export function toWebnnFile(network: Network): Uint8Array {
  refuseAround(network, "WebNN's operands");
  const { state, head, options } = network;
  const layers = toWebnn(state);
  const tensors: Record<string, Tensor> = {};
  layers.forEach((layer, k) => {
    for (const name of operands) {
      const operand = layer[name];
      if (operand) tensors[`${k}.${name}`] = operand;
    }
  });
  for (const [name, x] of Object.entries(head?.stateDict() ?? {})) tensors[`head.${name}`] = x;
  const calls = layers.map(({ op, direction, hiddenSize, layout, resetAfter }) => ({
    ...{ op, direction, hiddenSize, layout, ...(resetAfter && { resetAfter }) },
    ...{ returnSequence: true },
  }));
  const about = { layers: calls, head: head && (options.everyStep ? "every step" : "last step") };
  return writeSafetensors(tensors, { metadata: { webnn: JSON.stringify(about) } });
}

/**
 * Reads the file again.
 *
 * @returns the weights of the recurrent module and of the Linear, by PyTorch's names
 */
export function fromWebnnFile(file: Uint8Array): { state: StateDict; head: StateDict } {
  const { metadata, tensors } = readSafetensors(file);
  const { layers } = JSON.parse(metadata!.webnn);
  const read = (name: string) => tensors.get(name)?.toTensor() ?? null;
  type Options = WebnnLayer & { returnSequence: true }; // what comes out is no matter of weights
  const state = fromWebnn(layers.map(({ returnSequence: _, ...layer }: Options, k: number) => ({
    ...layer,
    ...Object.fromEntries(operands.map((name) => [name, read(`${k}.${name}`)])),
  })));
  const [weight, bias] = [read("head.weight"), read("head.bias")];
  return { state, head: { ...(weight && { weight }), ...(bias && { bias }) } };
}
