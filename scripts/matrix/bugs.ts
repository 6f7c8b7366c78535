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
  { file: "rten_sequence_lens", only: ["rten"], says: "sequence_lens is ignored" },
  {
    file: "tract_relu",
    only: ["tract"],
    says: "the attribute activations is not read: relu is computed as tanh",
    upstream: "sonos/tract#2751",
  },
];
