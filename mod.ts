/**
 * PyTorch's recurrent networks, as a tested specification and a reference implementation: RNN,
 * LSTM and GRU, their cells, and a Linear head, with PyTorch's names, shapes, initial weights,
 * messages and printing.
 *
 * @example
 * ```ts
 * import { linspace, manualSeed, reshape, SimpleRNN, sin } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * manualSeed(0);
 * const model = new SimpleRNN(1, 5, 1); // PyTorch's weights for seed 0, bit for bit
 * const wave = reshape(sin(linspace(0, Math.PI, 10)), [1, 10, 1]); // (N, L, H_in)
 * assertEquals(model.forward(wave).shape, [1, 1]);
 * ```
 *
 * @module
 */

// Kernels first: a file that is bundled compresses best so.
export {
  getKernels,
  getNumThreads,
  type Kernels,
  setKernels,
  setNumThreads,
} from "./lib/kernels/engine.ts";
export {
  AssertionError,
  AttributeError,
  IndexError,
  KeyError,
  NotImplementedError,
  RuntimeError,
  ValueError,
  ZeroDivisionError,
} from "./lib/errors.ts";
export type { DType, FloatArray, FloatDType, Values } from "./lib/tensor/dtype.ts";
export {
  type Backward,
  type Flow,
  type GradFn,
  type Nested,
  type NestedNumbers,
  type SavedTensor,
  Size,
  type StateDict,
  Tensor,
} from "./lib/tensor/tensor.ts";
export {
  full,
  linspace,
  ones,
  tensor,
  type TensorLike,
  type TensorOptions,
  zeros,
} from "./lib/tensor/create.ts";
export {
  formatExponential,
  formatFixed,
  type FormatOptions,
  formatSize,
  formatTensor,
} from "./lib/tensor/format.ts";
export {
  detach,
  detachState,
  incrementVersion,
  isGradEnabled,
  noGrad,
} from "./lib/autograd/graph.ts";
export type { BackwardOptions } from "./lib/autograd/propagate.ts";
export { backward, grad, type GradOptions } from "./lib/nn/backward.ts";
export { add, div, mul, sub } from "./lib/autograd/arithmetic.ts";
export { abs, exp, log, neg, relu, sigmoid, sin, tanh, to } from "./lib/autograd/pointwise.ts";
export { matmul } from "./lib/autograd/matmul.ts";
export { affine, linear, type Term } from "./lib/autograd/linear.ts";
export { embedding, type EmbeddingArguments, oneHot } from "./lib/autograd/embedding.ts";
export {
  argmax,
  logSoftmax,
  max,
  mean,
  type ReduceOptions,
  softmax,
  sum,
} from "./lib/autograd/reduce.ts";
export {
  clone,
  expand,
  flip,
  reshape,
  squeeze,
  transpose,
  unsqueeze,
} from "./lib/autograd/shape.ts";
export { cat, stack } from "./lib/autograd/join.ts";
export { chunk, indexSelect, narrow, select, slice } from "./lib/autograd/slices.ts";
export { defaultGenerator, Generator, manualSeed } from "./lib/random/generator.ts";
export { rand, randn, type RandomOptions } from "./lib/random/distributions.ts";
export {
  type IntegerOptions,
  multinomial,
  type MultinomialOptions,
  randint,
  randperm,
} from "./lib/random/integers.ts";
export { Parameter } from "./lib/nn/parameter.ts";
export { IncompatibleKeys } from "./lib/nn/state.ts";
export { Module } from "./lib/nn/module.ts";
export { Linear, type LinearOptions } from "./lib/nn/linear.ts";
export { Embedding, type EmbeddingOptions } from "./lib/nn/embedding.ts";
export { LayerNorm, type LayerNormOptions } from "./lib/nn/layer_norm.ts";
export { Dropout, dropout } from "./lib/nn/dropout.ts";
export { Container, ModuleList, Sequential } from "./lib/nn/containers.ts";
export {
  Activation,
  DimModule,
  Identity,
  LogSoftmax,
  ReLU,
  Sigmoid,
  Softmax,
  Tanh,
} from "./lib/nn/activations.ts";
export type {
  CellOptions,
  CellParameters,
  CellTensors,
  Equation,
  State,
  Step,
} from "./lib/nn/cell.ts";
export { type CellSizes, type Declared, gated, type ShapeOf } from "./lib/parameters.ts";
export { RNNCellBase } from "./lib/nn/cell.ts";
export { RNNBase, type SequenceLike } from "./lib/nn/rnn_base.ts";
export type { RNNBaseOptions } from "./lib/nn/rnn_checks.ts";
export {
  type Nonlinearity,
  RNN,
  RNNCell,
  type RNNCellOptions,
  type RNNOptions,
} from "./lib/nn/rnn.ts";
export {
  LSTM,
  LSTMCell,
  type LSTMOptions,
  type LSTMParameters,
  type LSTMState,
} from "./lib/nn/lstm.ts";
export { GRU, GRUCell } from "./lib/nn/gru.ts";
export {
  PackedSequence,
  type PackOptions,
  packPaddedSequence,
  packSequence,
  type PadPackedOptions,
  padPackedSequence,
  unpackSequence,
} from "./lib/nn/packed.ts";
export { type PadOptions, padSequence, unpadSequence } from "./lib/nn/padding.ts";
export {
  type Collated,
  DataLoader,
  type DataLoaderOptions,
  defaultCollate,
  padCollate,
  type PadCollateOptions,
} from "./lib/nn/data_loader.ts";
export { SimpleRNN } from "./lib/nn/simple_rnn.ts";
export { type Stepper, Stream, type StreamSource } from "./lib/nn/stream.ts";
export type { StackSizes } from "./lib/kernels/packing.ts";
export type { CellKind } from "./lib/kernels/slots.ts";
export { fromOnnx, type OnnxLayer, toOnnx } from "./lib/layouts/onnx.ts";
export { fromKeras, type KerasLayer, toKeras } from "./lib/layouts/keras.ts";
export {
  fromWebnn,
  toWebnn,
  type WebnnLayer,
  type WebnnLayout,
  type WebnnOptions,
} from "./lib/layouts/webnn.ts";
export type { FromLayoutOptions, LayerKind } from "./lib/layouts/layout.ts";
export {
  type BCEWithLogitsOptions,
  binaryCrossEntropyWithLogits,
  l1Loss,
  type LossOptions,
  mseLoss,
  type Reduction,
} from "./lib/autograd/loss.ts";
export type { ClassArray, ClassIndices } from "./lib/autograd/class_indices.ts";
export {
  type ClassLossOptions,
  crossEntropy,
  type CrossEntropyOptions,
  nllLoss,
} from "./lib/autograd/class_loss.ts";
export {
  BCEWithLogitsLoss,
  CrossEntropyLoss,
  L1Loss,
  Loss,
  MSELoss,
  NLLLoss,
} from "./lib/nn/losses.ts";
export { Optimizer, type OptimizerParams } from "./lib/optim/optimizer.ts";
export type {
  OptimizerOptions,
  OptionValue,
  OptionValues,
  ParamGroup,
  ParamGroupOptions,
} from "./lib/optim/param_group.ts";
export type { OptimizerState, ParamState, StateLike } from "./lib/optim/state.ts";
export { SGD, type SGDOptions } from "./lib/optim/sgd.ts";
export { Adam, type AdamOptions, AdamW, type AdamWOptions } from "./lib/optim/adam.ts";
export { RMSprop, type RMSpropOptions } from "./lib/optim/rmsprop.ts";
export { clipGradNorm, clipGradValue, type ClipOptions } from "./lib/optim/clip.ts";
export { LRScheduler, type SchedulerOptions, type SchedulerState } from "./lib/optim/scheduler.ts";
export {
  CosineAnnealingLR,
  type CosineAnnealingLROptions,
  ExponentialLR,
  StepLR,
  type StepLROptions,
} from "./lib/optim/schedulers.ts";
export {
  type PlateauState,
  ReduceLROnPlateau,
  type ReduceLROnPlateauOptions,
} from "./lib/optim/plateau.ts";
export {
  constant_,
  type InitOptions,
  orthogonal_,
  xavierNormal_,
  xavierUniform_,
  zeros_,
} from "./lib/nn/init.ts";
export { CheckpointError } from "./lib/checkpoints/error.ts";
export type { StoredDType } from "./lib/checkpoints/dtype.ts";
export {
  type StoredLayout,
  StoredTensor,
  type StoredValues,
  type WidenOptions,
} from "./lib/checkpoints/stored_tensor.ts";
export {
  readSafetensors,
  type SafetensorsFile,
  type SafetensorsOptions,
  type TensorsByName,
  writeSafetensors,
} from "./lib/checkpoints/safetensors.ts";
export type { TorchWritable } from "./lib/checkpoints/torch_writer.ts";
export { type TorchKey, TorchObject, type TorchValue } from "./lib/checkpoints/torch_object.ts";
export type { CheckpointSource } from "./lib/checkpoints/source.ts";
export {
  type Checkpoint,
  loadCheckpoint,
  readCheckpoint,
  stateDictOf,
  type StateDictOptions,
  storedStateDictOf,
} from "./lib/checkpoints/checkpoint.ts";
export { saveSafetensors, saveTorchFile } from "./lib/checkpoints/save.ts";
export { selectPrefix, stripPrefix } from "./lib/checkpoints/names.ts";
export {
  type DetectedKind,
  type DetectedModule,
  type Detection,
  detectModules,
} from "./lib/detect/detect.ts";
export {
  constructModule,
  type DetectedModel,
  modelFromStateDict,
  type ModelFromWeights,
  type ModelOptions,
} from "./lib/detect/construct.ts";
