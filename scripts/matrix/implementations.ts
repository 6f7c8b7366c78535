/** The rows of the matrix: implementations, and how each is built and started. */

export interface Implementation {
  /** A short name, for `--only`. */
  id: string;
  /** What it is written in, or for. */
  language: string;
  /** The folder or file of its adapter, below `scripts/adapters/`. */
  adapter: string;
  /** What its adapter reads besides, from the root: where that changes, it is run again. */
  uses: readonly string[];
  /** How its adapter is started; paths are from the root, `$BUILD` is the folder for builds. */
  command: readonly [string, ...string[]];
  /** Its title, where the adapter has no `--version`. */
  title?: string;
  /** How it is built, where it must be: a folder below `scripts/adapters/`, and a command in it. */
  build?: { folder: string; command: readonly [string, ...string[]] };
  /** Whether all operations are put to it, and not only forward passes. */
  whole?: boolean;
  /** How many cases are put to it, where all would take too long. */
  sample?: number;
}

const own = (path: string) => `scripts/adapters/${path}`;
const deno = (path: string, ...args: string[]): [string, ...string[]] =>
  [
    ...["deno", "run", "--quiet", "--no-lock", "--allow-all", own(path), ...args],
  ] as unknown as [string, ...string[]];
const uv = (path: string): [string, ...string[]] => ["uv", "run", "--quiet", own(path)];

/** Of PyTorch's own modules, in one of its other forms. */
const torch = ["scripts/helpers/python", own("torch/modules.py")];
const goldens = { uses: ["scripts/goldens"], whole: true };
const models = [own("onnx"), own("onnx_model.ts"), "lib/onnx", "lib/layouts/onnx.ts"];
const parts = ["kernels", "functions", "checkpoints", "inplace", "modules", "training"];
const library = {
  ...{ language: "TypeScript", adapter: "reference.ts", whole: true },
  uses: ["lib", "scripts/walkthrough", "scripts/index/lines.ts", "scripts/examples/programs"]
    .concat(parts.map((part) => own(`${part}.ts`))),
};

function python(id: string, adapter: string, rest: Partial<Implementation> = {}): Implementation {
  const uses = ["scripts/helpers/python"];
  return { id, language: "Python", adapter, uses, command: uv(adapter), ...rest };
}

const keras = (backend: string, sample: number) =>
  python(`keras-${backend}`, "keras", { command: uv(`keras/with_${backend}.py`), sample });

/** A runtime of ONNX models, behind `onnx/bridge.ts`. */
function onnx(
  id: string,
  language: string,
  adapter: string,
  command: readonly string[],
  rest: Partial<Implementation> = {},
): Implementation {
  const bridge = deno("onnx/bridge.ts", ...command);
  return { id, language, adapter, uses: models, command: bridge, ...rest };
}

const cargo = (name: string): Partial<Implementation> => ({
  build: {
    folder: name,
    command: ["cargo", "build", "--quiet", "--release", "--locked", "--target-dir", "$BUILD"],
  },
});

/** The implementations, in the order of the rows. */
export const implementations: readonly Implementation[] = [
  { ...library, id: "readable", command: deno("kernels.ts", "readable") },
  { ...library, id: "kernels", command: deno("kernels.ts", "auto") },
  python("torch", "pytorch.py", goldens),
  python("torch-1.13", "pytorch.py", {
    command: [
      ...["uv", "run", "--quiet", "--no-project", "--with", "torch==1.13.1"] as const,
      ...["--with", "numpy==1.26.4", "python", own("pytorch.py")],
    ],
    ...goldens,
  }),
  python("torch-script", "torch/scripted.py", { uses: torch, sample: 240 }),
  python("torch-export", "torch/exported.py", { uses: torch, sample: 180 }),
  python("torch-compile", "torch/compiled.py", { uses: torch, sample: 36 }),
  python("onnx-torchscript", "torch/onnx_torchscript.py", { uses: torch, sample: 240 }),
  python("onnx-dynamo", "torch/onnx_dynamo.py", { uses: torch, sample: 60 }),
  {
    ...{ id: "onnxruntime", language: "C++", adapter: "onnxruntime.ts", uses: models },
    command: deno("onnxruntime.ts", "--all"),
  },
  {
    ...{ id: "onnxruntime-web", language: "JavaScript", adapter: "onnxruntime.ts", uses: models },
    command: deno("onnxruntime.ts", "--all", "--web"),
  },
  onnx("onnx-reference", "Python", "onnx/reference.py", uv("onnx/reference.py")),
  onnx("openvino", "C++", "onnx/openvino.py", uv("onnx/openvino.py")),
  onnx("tract", "Rust", "tract", ["$BUILD/release/rnn-spec-tract"], cargo("tract")),
  onnx("rten", "Rust", "rten", ["$BUILD/release/rnn-spec-rten"], cargo("rten")),
  onnx("gonnx", "Go", "gonnx", ["--opset", "13", "$BUILD/gonnx"], {
    build: { folder: "gonnx", command: ["go", "build", "-o", "$BUILD/gonnx", "."] },
  }),
  keras("jax", 180),
  keras("torch", 400),
  keras("tensorflow", 240),
  python("flax", "flax", { command: uv("flax/adapter.py"), sample: 180 }),
  python("equinox", "equinox", { command: uv("equinox/adapter.py"), sample: 300 }),
  python("haiku", "haiku", { command: uv("haiku/adapter.py"), sample: 300 }),
  python("mlx", "mlx", { command: uv("mlx/adapter.py") }),
  python("paddle", "paddle", { command: uv("paddle/adapter.py"), sample: 180 }),
  python("mindspore", "mindspore", { command: uv("mindspore/adapter.py"), sample: 120 }),
  python("tinygrad", "tinygrad", { command: uv("tinygrad/adapter.py"), sample: 240 }),
  {
    ...{ id: "candle", language: "Rust", adapter: "candle", ...cargo("candle") },
    uses: ["scripts/helpers/rust"],
    command: ["$BUILD/release/rnn-spec-candle"],
  },
  {
    ...{ id: "tfjs", language: "JavaScript", adapter: "tfjs.ts", uses: ["lib/layouts"] },
    command: deno("tfjs.ts"),
  },
  python("numpy", "minimal.py", { title: "NumPy 2.4.6, in 98 lines" }),
];
