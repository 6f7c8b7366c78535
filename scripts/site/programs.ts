/** The programs that print what the Flow page shows. */

import type { Module } from "../../mod.ts";
import type { Scene } from "./case.ts";

/** A language: how it writes a list of numbers, and what it calls what is not finite. */
interface Language {
  readonly words: Readonly<Record<string, string>>;
  readonly tensor: (list: string) => string;
}

const python: Language = {
  words: { NaN: 'float("nan")', Infinity: 'float("inf")', "-Infinity": '-float("inf")' },
  tensor: (list) => `torch.tensor(${list}, dtype=torch.float32)`,
};
const typescript: Language = { words: {}, tensor: (list) => `tensor(${list})` };

/** The shortest decimal that is the same float32. */
function shortest(x: number): string {
  if (Object.is(x, -0)) return "-0.0";
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(x.toPrecision(digits));
    if (Math.fround(short) === Math.fround(x)) return `${short}`;
  }
  return `${x}`;
}

/** Numbers of a shape as nested lists. */
function list(data: ArrayLike<number>, shape: readonly number[], words: Language["words"]): string {
  if (shape.length === 0) return words[data[0]] ?? shortest(data[0]);
  const inner = data.length / shape[0];
  const part = (k: number) => Array.prototype.slice.call(data, k * inner, (k + 1) * inner);
  const items = Array.from({ length: shape[0] }, (_, k) => list(part(k), shape.slice(1), words));
  return `[${items.join(", ")}]`;
}

/** A program's parts that both languages share. */
function partsOf(scene: Scene, { words, tensor }: Language) {
  const { setup: { kind }, network: { rnn, fc }, sequence, start, wanted } = scene;
  const shaped = (data: ArrayLike<number>, shape: readonly number[]) =>
    tensor(list(data, shape, words));
  const rows = (values: readonly (readonly number[])[]) =>
    shaped(values.flat(), [values.length, 1, rnn.hiddenSize]);
  const states = start && (kind === "lstm" ? [rows(start.h), rows(start.c)] : [rows(start.h)]);
  const weights = (module: Module) =>
    Object.entries(module.stateDict()).map(([name, { data, shape }]) =>
      `"${name}": ${shaped(data, shape)},`
    );
  return {
    name: { tanh: "RNN", relu: "RNN", lstm: "LSTM", gru: "GRU" }[kind],
    x: shaped(sequence.flat(), [1, sequence.length, rnn.inputSize]),
    states,
    // A golden case brings its weights; any other network has those of its seed.
    rnnWeights: wanted ? weights(rnn) : null,
    fcWeights: wanted && fc ? weights(fc) : null,
  };
}

/** The program in PyTorch. */
export function asPyTorch(scene: Scene, notebookTwice: boolean): string {
  const { setup: { kind, hidden, layers, both, seed }, network: { rnn, fc } } = scene;
  const { name, x, states, rnnWeights, fcWeights } = partsOf(scene, python);
  const options = [
    layers > 1 && `num_layers=${layers}`,
    kind === "relu" && 'nonlinearity="relu"',
    !rnn.bias && "bias=False",
    "batch_first=True",
    both && "bidirectional=True",
  ].filter(Boolean).join(", ");
  const make = [
    `rnn = torch.nn.${name}(${rnn.inputSize}, ${hidden}, ${options})`,
    ...fc ? [`fc = torch.nn.Linear(${fc.inFeatures}, ${fc.outFeatures})`] : [],
  ];
  const load = (module: string, weights: readonly string[] | null) =>
    weights ? [`${module}.load_state_dict({`, ...weights.map((line) => `    ${line}`), "})"] : [];
  const hx = states ? `, ${states.length > 1 ? "(h_0, c_0)" : "h_0"}` : "";
  return [
    "import torch",
    "",
    ...rnnWeights ? [] : [`torch.manual_seed(${seed})`],
    ...notebookTwice ? ["for _ in range(2):  # the notebook's model was constructed twice"] : [],
    ...make.map((line) => notebookTwice ? `    ${line}` : line),
    ...load("rnn", rnnWeights),
    ...load("fc", fcWeights),
    `x = ${x}  # (N, L, H_in)`,
    ...(states ?? []).map((state, k) => `${"hc"[k]}_0 = ${state}`),
    "with torch.no_grad():",
    `    output, ${kind === "lstm" ? "(h_n, c_n)" : "h_n"} = rnn(x${hx})`,
    ...fc ? ["    answer = fc(output[:, -1])"] : [],
    "print(output[0])",
    "print(h_n[:, 0])",
    ...kind === "lstm" ? ["print(c_n[:, 0])"] : [],
    ...fc ? ['print(", ".join(f"{y:.4f}" for y in answer[0]))'] : [],
    "",
  ].join("\n");
}

/** The program with this library. */
export function asTypeScript(scene: Scene, notebookTwice: boolean, from: string): string {
  const { setup: { kind, hidden, layers, both, seed }, network: { rnn, fc } } = scene;
  const { name, x, states, rnnWeights, fcWeights } = partsOf(scene, typescript);
  const options = [
    layers > 1 && `numLayers: ${layers}`,
    kind === "relu" && 'nonlinearity: "relu"',
    !rnn.bias && "bias: false",
    "batchFirst: true",
    both && "bidirectional: true",
  ].filter(Boolean).join(", ");
  const make = (keep: boolean) => [
    `${keep ? "const rnn = " : ""}new ${name}(${rnn.inputSize}, ${hidden}, { ${options} });`,
    ...fc ? [`${keep ? "const fc = " : ""}new Linear(${fc.inFeatures}, ${fc.outFeatures});`] : [],
  ];
  const load = (module: string, weights: readonly string[] | null) =>
    weights ? [`${module}.loadStateDict({`, ...weights.map((line) => `  ${line}`), "});"] : [];
  const names = [
    ...fc ? ["Linear"] : [],
    name,
    ...rnnWeights ? [] : ["manualSeed"],
    ...["noGrad", "select", "tensor"],
  ];
  const hx = states ? `, ${states.length > 1 ? "[h0, c0]" : "h0"}` : "";
  return [
    `import { ${names.join(", ")} } from "${from}";`,
    "",
    ...rnnWeights ? [] : [`manualSeed(${seed});`],
    ...notebookTwice ? [...make(false), "// the notebook's model was constructed twice"] : [],
    ...make(true),
    ...load("rnn", rnnWeights),
    ...load("fc", fcWeights),
    `const x = ${x}; // (N, L, H_in)`,
    ...(states ?? []).map((state, k) => `const ${"hc"[k]}0 = ${state};`),
    "noGrad(() => {",
    `  const [output, ${kind === "lstm" ? "[hn, cn]" : "hn"}] = rnn.forward(x${hx});`,
    ...fc ? ["  const answer = fc.forward(select(output, 1, -1));"] : [],
    "  console.log(String(select(output, 0, 0)));",
    "  console.log(String(select(hn, 1, 0)));",
    ...kind === "lstm" ? ["  console.log(String(select(cn, 1, 0)));"] : [],
    ...fc ? ['  console.log([...answer.data].map((y) => y.toFixed(4)).join(", "));'] : [],
    "});",
    "",
  ].join("\n");
}
