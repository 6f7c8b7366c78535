/**
 * The conformance kit as a library: golden cases, how answers are held against them, and which known
 * mistake a wrong answer looks like. `scripts/conform.ts` is the same as a command.
 *
 * @example An implementation in this process
 * ```ts
 * import { diagnose, examineFunction, report, select, verdict } from "@rnn-spec/rnn-spec/conformance";
 * import { assert } from "@std/assert";
 *
 * // What it answers is `{ outputs }`, or it throws Unsupported.
 * const zeros = () => ({ outputs: { output: { shape: [1], data: [0] } } });
 * const found = await examineFunction(zeros, select({ chapters: ["linear"], sample: 5 }));
 * assert(!verdict(found.results).conforms);
 * assert(report(found, diagnose(found.results)).includes("does not conform"));
 * ```
 *
 * @module
 */

export {
  type Answer,
  type Case,
  decode,
  decodeStateDict,
  type Digest,
  encode,
  type GoldenFile,
  type JsonFile,
  type JsonNumber,
  type JsonOptimizerState,
  type JsonTensor,
  type Level,
  type Named,
  type Request,
  toLine,
} from "./pair.ts";
export {
  compare,
  type Comparison,
  type Difference,
  distance,
  type Tolerance,
  tolerance,
  trainingTolerance,
} from "./compare.ts";
export { type Asked, goldenFile, levels, select, type Selection, type Task } from "./cases.ts";
export { answerLine, ask, type Channel, type Implementation, serve, Unsupported } from "./serve.ts";
export {
  type Converse,
  type Ending,
  type Examination,
  examine,
  examineFunction,
  judge,
  type Limits,
  noOddities,
  type Oddities,
  type Result,
  type Settings,
  type Status,
  type Talk,
} from "./examine.ts";
export {
  commit,
  diagnose,
  explain,
  type Explanation,
  type Finding,
  type Findings,
  mistakes,
  noFindings,
} from "./diagnose.ts";
export { answerWith, both } from "./mistakes/both.ts";
export type { Mistake, Outputs } from "./mistakes/mistake.ts";
export type { Deviation, Layer, Place, Setting } from "./variant.ts";
export type { Kind, Options, Parameters, Pointwise, State, Step } from "./equations.ts";
export {
  failures,
  type Group,
  groups,
  report,
  type Row,
  tabulate,
  total,
  type Verdict,
  verdict,
} from "./report.ts";
export {
  type Circumstances,
  circumstances,
  reportJson,
  reportJunit,
  reportMarkdown,
} from "./formats.ts";
export { type Line, readLines, Tail } from "./lines.ts";
export type { FloatDType } from "../tensor/dtype.ts";
export type { StateDict } from "../tensor/tensor.ts";
export type { Tensor } from "../tensor/tensor.ts";
