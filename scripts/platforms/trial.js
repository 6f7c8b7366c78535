// An ONNX file of one RNN, whose weights are 0.5 and 0.25; its reader is loaded on demand.
const file =
  "CAg6OQoRCgF4CgF3CgFyEgF5IgNSTk4qEQgBCAEIARABQgF3SgQAAAA/KhEIAQgBCAEQAUIBckoEAACAPkICEBE=";

// What every platform is asked to do, with the library as it gets it: the notebook's model to its
// printed value, and an LSTM on every path, on two threads where memory can be shared.
export async function trial(rnn) {
  const { linspace, manualSeed, noGrad, randn, reshape, SimpleRNN, sin } = rnn;
  manualSeed(1949603856);
  new SimpleRNN(1, 5, 1);
  const wave = reshape(sin(linspace(0, Math.PI, 10)), [1, 10, 1]);
  const value = new SimpleRNN(1, 5, 1).forward(wave).item().toFixed(4);

  const [lstm, x] = [new rnn.LSTM(64, 64), randn([20, 32, 64])];
  const pass = () => noGrad(() => lstm.forward(x)[0].data);
  rnn.setKernels("readable");
  const readable = pass();
  const paths = ["readable"];
  for (const path of ["simd128", "relaxed"]) {
    try {
      rnn.setKernels(path);
    } catch {
      continue; // this engine has no such instructions, or may not compile
    }
    const given = pass();
    const far = given.some((y, k) => Math.abs(y - readable[k]) > 1e-5);
    if (far) throw new Error(`the path "${path}" is not close to the readable one`);
    paths.push(path);
  }
  rnn.setKernels("auto");
  const alone = pass();
  let threads = 1;
  try {
    await rnn.setNumThreads(2);
    threads = 2;
  } catch {
    // memory cannot be shared here
  }
  const together = pass();
  if (!alone.every((y, k) => Object.is(y, together[k]))) throw new Error("threads change bits");
  if (threads > 1) await rnn.setNumThreads(1);
  // What is loaded on demand: what writes and reads PyTorch's files, what reads ONNX files.
  let onDemand = true;
  try {
    const { readable, writable } = new TransformStream();
    const saved = rnn.saveTorchFile(writable, { w: rnn.tensor([0.75]) });
    const [loaded] = await Promise.all([rnn.loadCheckpoint(readable), saved]);
    if (loaded.w.item() !== 0.75) throw new Error("a .pt file's weight is another");
    const state = await rnn.loadCheckpoint(Uint8Array.from(atob(file), (one) => one.charCodeAt(0)));
    if (state.weight_ih_l0.item() !== 0.5) throw new Error("an ONNX file's weight is another");
  } catch (error) {
    if (!/import|specifier|onnx-weights|-torch/i.test(error.message)) throw error;
    onDemand = false; // a blob has no file beside it that could be loaded
  }
  if (value !== "-0.0877") throw new Error(`the notebook's value is -0.0877, not ${value}`);
  return { value, paths, threads, onDemand };
}
