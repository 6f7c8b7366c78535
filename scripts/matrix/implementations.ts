/** The rows of the matrix: implementations, and how each is built and started. */

export interface Implementation {
  /** A short name, for `--only`. */
  id: string;
  /** What it is written in, or for. */
  language: string;
  /** The folder or file of its adapter, below `scripts/adapters/`. */
  adapter: string;
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

function python(id: string, adapter: string, rest: Partial<Implementation> = {}): Implementation {
  return { id, language: "Python", adapter, command: uv(adapter), ...rest };
}

/** A runtime of ONNX models, behind `onnx/bridge.ts`. */
function onnx(
  id: string,
  language: string,
  adapter: string,
  command: readonly string[],
  rest: Partial<Implementation> = {},
): Implementation {
  return { id, language, adapter, command: deno("onnx/bridge.ts", ...command), ...rest };
}

const cargo = (name: string): Partial<Implementation> => ({
  build: {
    folder: name,
    command: ["cargo", "build", "--quiet", "--release", "--locked", "--target-dir", "$BUILD"],
  },
});

/** The implementations, in the order of the rows. */
export const implementations: readonly Implementation[] = [
  {
    ...{ id: "readable", language: "TypeScript", adapter: "kernels.ts", whole: true },
    command: deno("kernels.ts", "readable"),
  },
  {
    ...{ id: "kernels", language: "TypeScript", adapter: "kernels.ts", whole: true },
    command: deno("kernels.ts", "auto"),
  },
  python("torch", "pytorch.py", { whole: true }),
  python("torch-1.13", "pytorch.py", {
    command: [
      ...["uv", "run", "--quiet", "--no-project", "--with", "torch==1.13.1"] as const,
      ...["--with", "numpy==1.26.4", "python", own("pytorch.py")],
    ],
    whole: true,
  }),
  python("torch-script", "torch/scripted.py", { sample: 240 }),
  python("torch-export", "torch/exported.py", { sample: 180 }),
  python("torch-compile", "torch/compiled.py", { sample: 36 }),
  python("onnx-torchscript", "torch/onnx_torchscript.py", { sample: 240 }),
  python("onnx-dynamo", "torch/onnx_dynamo.py", { sample: 60 }),
  {
    ...{ id: "onnxruntime", language: "C++", adapter: "onnxruntime.ts" },
    command: deno("onnxruntime.ts", "--all"),
  },
  {
    ...{ id: "onnxruntime-web", language: "JavaScript", adapter: "onnxruntime.ts" },
    command: deno("onnxruntime.ts", "--all", "--web"),
  },
  onnx("onnx-reference", "Python", "onnx/reference.py", uv("onnx/reference.py")),
  onnx("openvino", "C++", "onnx/openvino.py", uv("onnx/openvino.py")),
  onnx("tract", "Rust", "tract", ["$BUILD/release/rnn-spec-tract"], cargo("tract")),
  onnx("rten", "Rust", "rten", ["$BUILD/release/rnn-spec-rten"], cargo("rten")),
  onnx("gonnx", "Go", "gonnx", ["--opset", "13", "$BUILD/gonnx"], {
    build: { folder: "gonnx", command: ["go", "build", "-o", "$BUILD/gonnx", "."] },
  }),
  python("keras-jax", "keras/with_jax.py", { sample: 180 }),
  python("keras-torch", "keras/with_torch.py", { sample: 400 }),
  python("keras-tensorflow", "keras/with_tensorflow.py", { sample: 240 }),
  python("flax", "flax", { command: uv("flax/adapter.py"), sample: 180 }),
  python("equinox", "equinox", { command: uv("equinox/adapter.py"), sample: 300 }),
  python("haiku", "haiku", { command: uv("haiku/adapter.py"), sample: 300 }),
  python("mlx", "mlx", { command: uv("mlx/adapter.py") }),
  python("paddle", "paddle", { command: uv("paddle/adapter.py"), sample: 180 }),
  python("tinygrad", "tinygrad", { command: uv("tinygrad/adapter.py"), sample: 240 }),
  {
    ...{ id: "candle", language: "Rust", adapter: "candle", ...cargo("candle") },
    command: ["$BUILD/release/rnn-spec-candle"],
  },
  { ...{ id: "tfjs", language: "JavaScript", adapter: "tfjs.ts" }, command: deno("tfjs.ts") },
  python("numpy", "minimal.py", { title: "NumPy 2.4.6, in 98 lines" }),
];
