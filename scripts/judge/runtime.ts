/** What ONNX Runtime makes of each recurrent node of a file. */

import type { Probe } from "../../lib/onnx/mod.ts";
import type { Tensor } from "../../mod.ts";
import type { Ran } from "./report.ts";

const VERSION = "1.30.0";

/** The largest difference between outputs. */
function apart(
  given: Record<string, { data: ArrayLike<number> }>,
  wanted: Probe["computed"],
): number {
  let largest = 0;
  for (const [name, { data }] of Object.entries(wanted)) {
    data.forEach((x, k) => {
      const difference = Math.abs(given[name].data[k] - x);
      if (!(difference <= largest)) largest = difference;
    });
  }
  return largest;
}

/**
 * Runs each node in ONNX Runtime.
 *
 * @returns its version, and what it made of each by path; `null` where it is not at hand
 */
export async function runProbes(
  probes: readonly Probe[],
): Promise<{ version: string; ran: Map<string, Ran> } | null> {
  const name = `npm:onnxruntime-node@${VERSION}`; // not named literally, so that only who runs this downloads it
  let runtime;
  try {
    runtime = await import(name);
  } catch {
    return null;
  }
  const ran = new Map<string, Ran>();
  const single = ({ data, shape }: Tensor) =>
    new runtime.Tensor("float32", Float32Array.from(data), shape);
  for (const { path, bytes, inputs, computed, wanted, tolerance } of probes) {
    try {
      const session = await runtime.InferenceSession.create(bytes, { logSeverityLevel: 4 });
      const feeds = Object.fromEntries(
        Object.entries(inputs).map(([name, x]) => [name, single(x)]),
      );
      const outputs = await session.run(feeds);
      ran.set(path, {
        fromNode: apart(outputs, computed),
        fromLayer: wanted && apart(outputs, wanted),
        tolerance,
        error: null,
      });
    } catch (error) {
      const [line] = String((error as Error).message).split("\n");
      ran.set(path, { fromNode: NaN, fromLayer: null, tolerance, error: line.slice(0, 200) });
    }
  }
  return { version: VERSION, ran };
}
