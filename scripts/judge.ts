/**
 * Says whether an exported ONNX model computes what its checkpoint's recurrent layers compute, and if
 * not, which mistake it makes.
 *
 * ```sh
 * deno task judge model.onnx --against model.pt
 * deno task judge model.onnx --against model.pt --fix mended.onnx
 * deno task judge model.onnx
 * ```
 */

import { dirname, join } from "node:path";
import { command, type Given } from "./command/run.ts";
import { loadCheckpoint } from "../mod.ts";
import {
  judge,
  type JudgeOptions,
  looksLikeOnnx,
  mend,
  type OnnxModel,
  probes,
  readOnnx,
  type Reference,
} from "../lib/onnx/mod.ts";
import { type Report, reportLines } from "./judge/report.ts";
import { runProbes } from "./judge/runtime.ts";

const help = `Usage: deno task judge <model.onnx> [--against <file>] [options]

Finds every recurrent node of an ONNX file, also in inner graphs and functions, and holds it against
the layers of a checkpoint: the same function, or which mistake. Without --against it says what the
file computes, and what of it runtimes are known to get wrong.

Options:
  --against FILE       a file of torch.save, a safetensors file, or another ONNX file
  --at KEY             the weights are under this key; again for a key inside that
  --prefix TEXT        only the weights whose names begin so, such as rnn.
  --nonlinearity NAME  tanh or relu, of an RNN; by default what the file has
  --batch-first        the module has the batch first; --no-batch-first: it has not;
                       by default both are tried
  --fix FILE           writes the file with its recurrent nodes mended, and judges that
  --no-runtime         does not ask ONNX Runtime
  --json               the judgement as JSON
  --no-color           no colours
  --help               show this

Status: 0 right (or nothing to hold it against), 1 wrong, 2 it could not be told, or no such file.
`;

/** Reads an ONNX file, with the files beside it that hold weights. */
async function readModel(path: string): Promise<OnnxModel> {
  const bytes = await Deno.readFile(path);
  const external = (location: string) => Deno.readFileSync(join(dirname(path), location));
  return readOnnx(bytes, { external });
}

interface Part {
  at?: string[];
  prefix?: string;
}

async function readReference(path: string, part: Part): Promise<Reference> {
  const file = await Deno.open(path);
  const head = new Uint8Array(8);
  await file.read(head);
  file.close();
  if (looksLikeOnnx(head)) return await readModel(path);
  return await loadCheckpoint(path, { ...part, widen: true, tensorsOnly: true });
}

const statuses = { right: 0, wrong: 1, unknown: 2 } as const;

/** Carries out a command line: the status. */
async function main({ text, texts: { at }, flag, rest }: Given): Promise<number> {
  if (rest.length !== 1) throw new Error(`wanted one file, got ${rest.length}`);
  const { against, prefix, nonlinearity, fix } = text;
  const { runtime: asks = true, json, color = Deno.stdout.isTerminal() && !Deno.noColor } = flag;
  if (nonlinearity !== undefined && nonlinearity !== "tanh" && nonlinearity !== "relu") {
    throw new Error(`--nonlinearity takes tanh or relu, not ${nonlinearity}`);
  }
  if (fix !== undefined && against === undefined) throw new Error("--fix needs --against");
  const options: JudgeOptions = {
    ...(nonlinearity && { nonlinearity }),
    ...(flag["batch-first"] !== undefined && { batchFirst: flag["batch-first"] }),
  };
  const [name] = rest;
  const model = await readModel(name);
  const reference = against === undefined ? null : await readReference(against, { at, prefix });
  const tell = async (name: string, model: OnnxModel) => {
    const judgement = judge(model, reference, options);
    const runtime = asks ? await runProbes(probes(model, reference, options)) : null;
    const report: Report = { name, against: against ?? null, judgement, runtime };
    if (json) {
      const ran = runtime && { version: runtime.version, ran: Object.fromEntries(runtime.ran) };
      console.log(
        JSON.stringify({ file: name, against: against ?? null, ...judgement, runtime: ran }),
      );
    } else console.log(reportLines(report, color).join("\n"));
    return judgement.verdict;
  };
  const verdict = await tell(name, model);
  if (reference === null) return 0;
  if (fix === undefined || verdict === "right") return statuses[verdict];
  const { bytes } = mend(model, reference, options);
  await Deno.writeFile(fix, bytes);
  if (!json) console.log("");
  return statuses[await tell(fix, readOnnx(bytes))];
}

if (import.meta.main) await command("judge", help, main);
