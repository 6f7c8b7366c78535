/**
 * Shows what a checkpoint holds: names, shapes, dtypes, a small picture of each weight's
 * distribution, the module it would be, and what a forward pass costs.
 *
 * ```sh
 * deno task inspect model.pt
 * deno task inspect checkpoint.pt --at model_state_dict
 * ```
 */

import { command, type Given } from "./command/run.ts";
import {
  type Checkpoint,
  CheckpointError,
  constructModule,
  type DetectedModule,
  detectModules,
  readCheckpoint,
  storedStateDictOf,
  StoredTensor,
  type TorchKey,
  TorchObject,
  type TorchValue,
} from "../mod.ts";
import { plainName, table } from "./inspect/tensor.ts";

/** A number with its thousands apart. */
function grouped(x: number): string {
  return x.toLocaleString("en-US");
}

/** What a module is and costs. */
function describeModule(module: DetectedModule): string[] {
  const { prefix, assumed, parameters, multiplyAdds, kind } = module;
  const unit = /Linear|Norm/.test(kind) ? "row" : "time step of a sequence";
  const cost = `, ${grouped(multiplyAdds)} multiply-adds for each ${unit}`;
  return [
    `  ${prefix === "" ? "" : `${plainName(prefix.slice(0, -1))}: `}${constructModule(module)}`,
    `    ${grouped(parameters)} parameters${multiplyAdds ? cost : ""}`,
    ...(assumed.length ? [`    assumed, since weights do not tell: ${assumed.join(", ")}`] : []),
  ];
}

/** A state_dict: its tensors, and the modules that they would be. */
function describeTensors(tensors: Record<string, StoredTensor>): string[] {
  const lines = table(tensors);
  try {
    const { modules, others } = detectModules(tensors);
    if (modules.length === 0) return lines;
    lines.push("", "The weights would be those of", ...modules.flatMap(describeModule));
    if (modules.length > 1) {
      const total = modules.reduce((sum, { multiplyAdds }) => sum + multiplyAdds, 0);
      lines.push(`  together ${grouped(total)} multiply-adds, each module once`);
    }
    if (others.length) {
      const more = others.length > 8 ? ", …" : "";
      lines.push(
        `  of no module known here: ${others.slice(0, 8).map(plainName).join(", ")}${more}`,
      );
    }
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    lines.push("", error.message);
  }
  return lines;
}

/** Anything else in a checkpoint, in a word. */
function word(value: TorchValue): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 60));
  if (value instanceof StoredTensor) return `${value.dtype} tensor (${value.shape.join(", ")})`;
  if (value instanceof Map) return `a dict of ${value.size}`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (value instanceof TorchObject) {
    return value.isModule ? `a whole model, ${value.type}` : `an object of ${value.type}`;
  }
  return String(value);
}

/** A dict: its tensors as a table, other dicts below it, the rest in a line each. */
function describeDict(value: TorchValue, path: readonly TorchKey[]): string[] {
  if (!(value instanceof Map)) return [`${path.map(String).join(" → ") || "It"} is ${word(value)}`];
  const tensors = new Map<string, StoredTensor>();
  const lines: string[] = [];
  const below: string[] = [];
  let shown = 0;
  for (const [key, item] of value) {
    // A number and its text are two keys: the number is shown as a place in a list is.
    if (item instanceof StoredTensor) {
      tensors.set(tensors.has(String(key)) ? `[${key}]` : String(key), item);
    } else if (item instanceof Map && path.length < 3) {
      const inner = describeDict(item, [...path, key]);
      if ([...item.values()].some((part) => part instanceof StoredTensor)) {
        below.push("", `At ${[...path, key].map((part) => plainName(String(part))).join(" → ")}:`);
      }
      below.push(...inner);
    } else if (shown++ < 20) {
      lines.push(
        `  ${[...path, key].map((part) => plainName(String(part))).join(" → ")}: ${word(item)}`,
      );
    }
  }
  if (shown > 20) lines.push(`  and ${shown - 20} more`);
  if (tensors.size > 0) lines.push(...describeTensors(Object.fromEntries(tensors)));
  return [...lines, ...below];
}

/**
 * Describes a checkpoint.
 *
 * @param at the keys that lead to the part to describe; the whole where there are none
 */
export function inspect(name: string, checkpoint: Checkpoint, at: readonly string[] = []): string {
  const { format, value, metadata } = checkpoint;
  const words = {
    torch: "saved by PyTorch",
    safetensors: "safetensors",
    onnx: "ONNX, its weights",
  };
  const lines = [`${name}: ${words[format]}`];
  for (const [key, text] of Object.entries(metadata ?? {})) {
    lines.push(`  ${plainName(key)}: ${JSON.stringify(text.slice(0, 200))}`);
  }
  const body = at.length > 0
    ? describeTensors(storedStateDictOf(value, { at }))
    : describeDict(value, []);
  return `${[...lines, "", ...body].join("\n")}\n`;
}

const help = `Usage: deno task inspect <file> [options]

Shows what a checkpoint holds: a file of torch.save, a safetensors file, the weights of an ONNX file.

Options:
  --at KEY  only the state_dict under this key; again for a key inside that
  --help    show this
`;

async function main({ texts: { at }, rest }: Given): Promise<void> {
  if (rest.length !== 1) throw new Error(`wanted one file, got ${rest.length}`);
  const bytes = new TextEncoder().encode(inspect(rest[0], await readCheckpoint(rest[0]), at));
  for (let done = 0; done < bytes.length;) done += Deno.stdout.writeSync(bytes.subarray(done));
}

if (import.meta.main) await command("inspect", help, main);
