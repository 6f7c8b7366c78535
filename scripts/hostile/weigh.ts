/**
 * Reads one file in a process of its own, which its caller gives little memory: a reader that makes
 * too much of a file does not come back. Prints how long it took, and the reason of a refusal.
 */

import { parseCheckpoint } from "../../lib/checkpoints/mod.ts";
import { CheckpointError } from "../../lib/checkpoints/error.ts";
import { readOnnx } from "../../lib/onnx/mod.ts";
import { copies } from "./copies.ts";
import { decoded } from "./onnx.ts";

if (import.meta.main) {
  const bytes = await Deno.readFile(Deno.args[0]);
  const start = performance.now();
  let result = "loaded";
  try {
    result = Deno.args[1].startsWith("onnx")
      ? `read, ${decoded(readOnnx(bytes)).size} bytes of tensors`
      : `loaded, ${copies(parseCheckpoint(bytes).value, bytes)} bytes of copies`;
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    result = error.message;
  }
  console.log(JSON.stringify({ took: performance.now() - start, result }));
}
