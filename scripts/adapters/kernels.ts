/**
 * This implementation's side of the conformance protocol with the path chosen: `readable`,
 * `simd128`, `relaxed` or `auto`, as in `setKernels`.
 *
 * ```sh
 * deno task conform -- deno run scripts/adapters/kernels.ts readable
 * ```
 */

import config from "../../deno.json" with { type: "json" };
import { type Kernels, setKernels } from "../../mod.ts";
import { answer } from "./reference.ts";
import { serve } from "../../lib/conformance/mod.ts";
import { stdio } from "./stdio.ts";

const [path = "auto", flag] = Deno.args;
setKernels(path as Kernels);
if (flag === "--version") {
  console.log(`this library ${config.version}, ${path === "auto" ? "kernels" : path}`);
} else await serve(answer, stdio);
