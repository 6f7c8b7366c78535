/** What other implementations compute otherwise: reproductions in `spec/bugs/`, and reasons. */

/** A reproduction. */
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

/** Each reproduction in a line: its file, the implementations, what it shows, the issue upstream. */
const table = `
flax_gru_b_hn.py | flax | GRUCell has no bias b_hn inside the reset gate | google/flax#5594
gonnx_sigmoid | gonnx | the sigmoid of a very negative number is 1
keras_float64_matmul.py | keras-torch | a layer of float64 multiplies matrices in float32 | keras-team/keras#23704
keras_jax_simplernn_float64.py | keras-jax | SimpleRNN of float64 cannot be called
keras_jax_tanh_float64.py | keras-jax | tanh of float64 is computed in float32, and so are LSTM and GRU
onnx_reference_peephole.py | onnx-reference | an LSTM without peepholes makes NaN of an infinite initial_c
onnx_reference_sequence_lens.py | onnx-reference | sequence_lens is ignored
onnxruntime_gates_nan.py | onnxruntime, onnxruntime-web, onnx-torchscript, onnx-dynamo | an LSTM or a GRU with biases makes a number of NaN
onnxruntime_lstm_clip.py | onnxruntime | an LSTM's clip is not applied to what h reads | microsoft/onnxruntime#27224
onnxruntime_relu_nan.py | onnxruntime, onnxruntime-web, onnx-torchscript, onnx-dynamo | an RNN with relu makes NaN 0
onnxruntime_softplus.py | onnxruntime | an RNN's Softplus is infinite from 89 on
onnxruntime_thresholded_relu.py | onnxruntime | ThresholdedRelu has the threshold 0, not 1, where none is given
openvino_dynamic_sequence_lens.py | openvino | sequence_lens is ignored where the shapes are dynamic
openvino_float64.py | openvino | a model of float64 is computed in float32 | openvinotoolkit/openvino#35822
openvino_relu_nan.py | openvino | relu makes NaN 0 | openvinotoolkit/openvino#35649
paddle_no_bias.py | paddle | an LSTM of two layers without biases cannot be made
paddle_padding_nan.py | paddle | NaN in the padding reaches the outputs
paddle_past_end.py | paddle | with proj_size, an LSTM's output past sequence_length is not 0
paddle_relu_nan.py | paddle | relu makes NaN 0 | PaddlePaddle/Paddle#79351
rten_sequence_lens | rten | sequence_lens is ignored
tract_nan | tract | tanh and sigmoid make a number of NaN
tract_relu | tract | the attribute activations is not read: relu is computed as tanh | sonos/tract#2751
`;

export const bugs: readonly Bug[] = table.trim().split("\n").map((line) => {
  const [file, only, says, upstream] = line.split(" | ");
  return { file, only: only.split(", "), says, ...(upstream && { upstream }) };
});

/** Why an implementation computes otherwise what no single mistake explains. */
export type Reason = Pick<Bug, "only" | "says">;

/** Each reason in a paragraph: the implementations, and the reason in a sentence. */
const paragraphs = `
onnxruntime, onnxruntime-web: what is unexplained begins as NaN in a relu or a gate, is made finite
there, and is carried on through the steps that follow

openvino: what is unexplained in float64 has one of the other mistakes besides: lengths that are not
read, a relu over NaN, or an infinity, which float32 replaces by its largest number
(openvinotoolkit/openvino#37968)

openvino: what is unexplained in packed sequences has two mistakes at once: the padding is read, and
it holds NaN or infinity, over which relu gives 0

tract: what is unexplained has two mistakes at once: relu is computed as tanh, and tanh of NaN is
about -1; or NaN is lost in a gate and carried on

paddle: what is unexplained is NaN or infinity in the padding, which is multiplied with 0, on one
side of a bidirectional layer or in float64

gonnx: no initial state is zeros that are not multiplied with the weights; PyTorch multiplies, and 0
· ∞ is NaN

torch-1.13: another release: its optimisers and schedules were changed since, and its messages and
types of errors were others (CONFORM-5)
`;

export const reasons: readonly Reason[] = paragraphs.trim().split("\n\n").map((text) => {
  const [, only, says] = text.replaceAll("\n", " ").match(/^(.*?): (.*)$/)!;
  return { only: only.split(", "), says };
});
