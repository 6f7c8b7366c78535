/** The recurrent nodes of an ONNX file as the weights of PyTorch's module. */

import { fromOnnx, type OnnxLayer, type StateDict, type Tensor } from "../../mod.ts";
import { attributesOf, isRecurrent, type OnnxModel } from "../../lib/onnx/mod.ts";
import type { NetworkOptions } from "../convert/network.ts";

/**
 * Takes the weights out of a file.
 *
 * @returns them, what they do not tell, and why there are none
 */
export function stateOfOnnx(
  { graph }: OnnxModel,
): { state: StateDict | null; options: NetworkOptions; why: string } {
  const none = (why: string) => ({ state: null, options: {}, why });
  const nodes = graph.nodes.filter(isRecurrent);
  if (nodes.length === 0) return none("It has no recurrent node, so there is nothing to run.");
  try {
    const weight = (name: string | undefined): Tensor | null => {
      if (!name) return null;
      const found = graph.initializers.get(name);
      if (!found) throw new Error(`${name} is computed in the file`);
      return found.toTensor({ widen: true });
    };
    const layers = nodes.map((node): OnnxLayer => {
      const [, W, R, B, , , , P] = node.inputs;
      const given = attributesOf(node);
      const R_ = weight(R)!;
      return {
        opType: node.opType as OnnxLayer["opType"],
        direction: (given.direction ?? "forward") as OnnxLayer["direction"],
        hiddenSize: Number(given.hidden_size ?? R_.shape[2]),
        linearBeforeReset: given.linear_before_reset ? 1 : 0,
        W: weight(W)!,
        R: R_,
        B: weight(B),
        P: weight(P),
        activations: given.activations as string[] | undefined,
        activationAlpha: given.activation_alpha as number[] | undefined,
        activationBeta: given.activation_beta as number[] | undefined,
        clip: (given.clip ?? null) as number | null,
        inputForget: given.input_forget ? 1 : 0,
        layout: given.layout ? 1 : 0,
      };
    });
    const relu = layers.some(({ activations }) => activations?.[0].toLowerCase() === "relu");
    const nonlinearity = relu ? "relu" : "tanh";
    return {
      state: fromOnnx(layers, { nonlinearity }),
      options: { nonlinearity },
      why: "",
    };
  } catch (error) {
    return none(`It is not run here: ${(error as Error).message}.`);
  }
}
