/**
 * Reads checkpoints as lines of JSON, `{"base64"}`, and answers each with the safetensors file that
 * is written of it. For `check_checkpoints.py`, which compares with what Python writes.
 *
 * @module
 */

import { parseCheckpoint, storedStateDictOf, writeSafetensors } from "../../mod.ts";

if (import.meta.main) {
  const text = await new Response(Deno.stdin.readable).text();
  for (const line of text.split("\n").filter(Boolean)) {
    const bytes = Uint8Array.from(atob(JSON.parse(line).base64), (c) => c.charCodeAt(0));
    const { value, metadata } = parseCheckpoint(bytes);
    // In another order than they came, which must not matter.
    const tensors = new Map(Object.entries(storedStateDictOf(value)).reverse());
    const written = writeSafetensors(tensors, { metadata });
    let binary = "";
    for (const byte of written) binary += String.fromCharCode(byte);
    console.log(JSON.stringify({ base64: btoa(binary) }));
  }
}
