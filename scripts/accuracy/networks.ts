/** Generated networks of usual sizes: how far outputs and gradients of the kernels are from float64. */

import { grad, GRU, LSTM, RNN, setKernels, Tensor } from "../../mod.ts";

/** A network, and how far PyTorch's float32 is off: the output, dx, then each parameter's gradient. */
interface Network {
  readonly kind: "RNN" | "LSTM" | "GRU";
  readonly inputs: number;
  readonly hidden: number;
  readonly layers: number;
  readonly length: number;
  readonly batch: number;
  readonly errors: readonly number[];
}

/** The errors of one network divided by PyTorch's, in root mean square relative to the truth. */
async function ratiosOf(network: Network, numbers: string, truths: string): Promise<number[]> {
  const { kind, inputs, hidden, layers, length, batch, errors } = network;
  const given = new Float32Array((await Deno.readFile(numbers)).buffer);
  const truth = new Float64Array((await Deno.readFile(truths)).buffer);
  let at = 0;
  const take = (count: number) => given.slice(at, at += count);
  const x = new Tensor(take(length * batch * inputs), [length, batch, inputs]);
  const dy = new Tensor(take(length * batch * hidden), [length, batch, hidden]);
  x.requiresGrad = true;
  const module = new { RNN, LSTM, GRU }[kind](inputs, hidden, { numLayers: layers });
  for (const { data } of module.parameters()) data.set(take(data.length));
  const output = (module as GRU).forward(x)[0];
  const found = [output, ...grad([output], [x, ...module.parameters()], [dy])] as Tensor[];
  let from = 0;
  return found.map(({ data }, k) => {
    let [error, size] = [0, 0];
    for (let i = 0; i < data.length; i++, from++) {
      error += (data[i] - truth[from]) ** 2;
      size += truth[from] ** 2;
    }
    return Math.sqrt(error / size) / errors[k];
  });
}

/** Prints the ratios; whether outputs are at most 1.3 times as far off as PyTorch's, gradients twice. */
export async function networks(): Promise<boolean> {
  const folder = await Deno.makeTempDir();
  const script = new URL("networks.py", import.meta.url).pathname;
  const { success } = await new Deno.Command("uv", {
    args: ["run", script, folder],
    stdout: "inherit",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("uv could not run the script that asks PyTorch");
  const all: Network[] = JSON.parse(await Deno.readTextFile(`${folder}/networks.json`));
  const worst = { output: 0, gradients: 0 };
  console.log("How far from float64, in root mean square, as a multiple of PyTorch's float32:\n");
  for (const path of ["relaxed", "simd128"] as const) {
    setKernels(path);
    for (const [k, network] of all.entries()) {
      const [output, ...rest] = await ratiosOf(
        network,
        `${folder}/${k}.numbers`,
        `${folder}/${k}.truth`,
      );
      worst.output = Math.max(worst.output, output);
      worst.gradients = Math.max(worst.gradients, ...rest);
      const { kind, inputs, hidden, layers, length, batch } = network;
      const name = `${kind} ${inputs}→${hidden}, ${layers} layers, L ${length}, N ${batch}`;
      const numbers = rest.map((ratio) => ratio.toFixed(2)).join(" ");
      console.log(`${path} ${name}: output ${output.toFixed(2)}, gradients ${numbers}`);
    }
  }
  await Deno.remove(folder, { recursive: true });
  console.log(
    `\nat most: output ${worst.output.toFixed(2)}, gradients ${worst.gradients.toFixed(2)}`,
  );
  return worst.output <= 1.3 && worst.gradients <= 2;
}
