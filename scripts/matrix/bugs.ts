/** Reproductions of what other implementations compute otherwise, in `spec/bugs/`. */

export interface Bug {
  /** Its file or folder in `spec/bugs/`. */
  file: string;
  /** The implementations that it is of, by their short names. */
  only: readonly string[];
  /** What it shows, in a sentence. */
  says: string;
  /** The issue upstream, where a search found one. */
  upstream?: string;
}

export const bugs: readonly Bug[] = [
  {
    file: "flax_gru_b_hn.py",
    only: ["flax"],
    says: "GRUCell has no bias b_hn inside the reset gate",
    upstream: "google/flax#5594",
  },
  { file: "gonnx_sigmoid", only: ["gonnx"], says: "the sigmoid of a very negative number is 1" },
  {
    file: "keras_float64_matmul.py",
    only: ["keras-torch"],
    says: "a layer of float64 multiplies matrices in float32",
    upstream: "keras-team/keras#23704",
  },
  {
    file: "keras_jax_simplernn_float64.py",
    only: ["keras-jax"],
    says: "SimpleRNN of float64 cannot be called",
  },
  {
    file: "keras_jax_tanh_float64.py",
    only: ["keras-jax"],
    says: "tanh of float64 is computed in float32, and so are LSTM and GRU",
  },
  {
    file: "onnx_reference_peephole.py",
    only: ["onnx-reference"],
    says: "an LSTM without peepholes makes NaN of an infinite initial_c",
  },
  {
    file: "onnx_reference_sequence_lens.py",
    only: ["onnx-reference"],
    says: "sequence_lens is ignored",
  },
  {
    file: "onnxruntime_gates_nan.py",
    only: ["onnxruntime", "onnxruntime-web", "onnx-torchscript", "onnx-dynamo"],
    says: "an LSTM or a GRU with biases makes a number of NaN",
  },
  {
    file: "onnxruntime_lstm_clip.py",
    only: ["onnxruntime"],
    says: "an LSTM's clip is not applied to what h reads",
    upstream: "microsoft/onnxruntime#27224",
  },
  {
    file: "onnxruntime_relu_nan.py",
    only: ["onnxruntime", "onnxruntime-web", "onnx-torchscript", "onnx-dynamo"],
    says: "an RNN with relu makes NaN 0",
  },
  {
    file: "onnxruntime_softplus.py",
    only: ["onnxruntime"],
    says: "an RNN's Softplus is infinite from 89 on",
  },
  {
    file: "onnxruntime_thresholded_relu.py",
    only: ["onnxruntime"],
    says: "ThresholdedRelu has the threshold 0, not 1, where none is given",
  },
  {
    file: "openvino_dynamic_sequence_lens.py",
    only: ["openvino"],
    says: "sequence_lens is ignored where the shapes are dynamic",
  },
  {
    file: "openvino_float64.py",
    only: ["openvino"],
    says: "a model of float64 is computed in float32",
    upstream: "openvinotoolkit/openvino#35822",
  },
  {
    file: "openvino_relu_nan.py",
    only: ["openvino"],
    says: "relu makes NaN 0",
    upstream: "openvinotoolkit/openvino#35649",
  },
  {
    file: "paddle_no_bias.py",
    only: ["paddle"],
    says: "an LSTM of two layers without biases cannot be made",
  },
  {
    file: "paddle_padding_nan.py",
    only: ["paddle"],
    says: "NaN in the padding reaches the outputs",
  },
  {
    file: "paddle_relu_nan.py",
    only: ["paddle"],
    says: "relu makes NaN 0",
    upstream: "PaddlePaddle/Paddle#79351",
  },
  { file: "rten_sequence_lens", only: ["rten"], says: "sequence_lens is ignored" },
  {
    file: "tract_nan",
    only: ["tract"],
    says: "tanh and sigmoid make a number of NaN",
  },
  {
    file: "tract_relu",
    only: ["tract"],
    says: "the attribute activations is not read: relu is computed as tanh",
    upstream: "sonos/tract#2751",
  },
];

/** Why an implementation computes otherwise what no single mistake explains. */
export interface Reason {
  /** The implementations that it is of, by their short names. */
  only: readonly string[];
  /** The reason, in a sentence. */
  says: string;
}

export const reasons: readonly Reason[] = [
  {
    only: ["onnxruntime", "onnxruntime-web"],
    says:
      "what is unexplained begins as NaN in a relu or a gate, is made finite there, and is carried " +
      "on through the steps that follow",
  },
  {
    only: ["openvino"],
    says:
      "what is unexplained in float64 has one of the other mistakes besides: lengths that are not " +
      "read, a relu over NaN, or an infinity, which float32 replaces by its largest number " +
      "(openvinotoolkit/openvino#37968)",
  },
  {
    only: ["openvino"],
    says:
      "what is unexplained in packed sequences has two mistakes at once: the padding is read, and " +
      "it holds NaN or infinity, over which relu gives 0",
  },
  {
    only: ["tract"],
    says:
      "what is unexplained has two mistakes at once: relu is computed as tanh, and tanh of NaN is " +
      "about -1; or NaN is lost in a gate and carried on",
  },
  {
    only: ["paddle"],
    says:
      "what is unexplained is NaN or infinity in the padding, which is multiplied with 0, on one " +
      "side of a bidirectional layer or in float64",
  },
  {
    only: ["gonnx"],
    says:
      "no initial state is zeros that are not multiplied with the weights; PyTorch multiplies, and " +
      "0 · ∞ is NaN",
  },
  {
    only: ["torch-1.13"],
    says:
      "another release: its optimisers and schedules were changed since, and its messages and " +
      "types of errors were others (CONFORM-5)",
  },
];
