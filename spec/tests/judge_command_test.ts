/** The command `deno task judge` (JUDGE): what it prints, and its status. */

import { assert, assertEquals } from "@std/assert";
import { GRU, LSTM, saveSafetensors } from "../../mod.ts";
import { readOnnx } from "../../lib/onnx/mod.ts";
import text from "./judged/files.json" with { type: "text" };
import { withPermission } from "./law.ts";

interface Kept {
  name: string;
  onnx: string;
}

const kept: {
  bases: Record<string, { state_dict: Record<string, { shape: number[]; data: number[] }> }>;
  files: Kept[];
} = JSON.parse(text);

const program = new URL("../../scripts/judge.ts", import.meta.url).pathname;

const wanted: Deno.PermissionDescriptor[] = [
  { name: "run" },
  { name: "read" },
  { name: "write" },
  { name: "env" },
  { name: "sys" },
];

async function run(...args: string[]): Promise<{ code: number; out: string; error: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-lock", "--allow-read", "--allow-write", program, ...args],
    env: { NO_COLOR: "1" },
  }).output();
  const [out, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out, error };
}

withPermission(
  "JUDGE-3, JUDGE-5, JUDGE-6: the command's status is 0 for right, 1 for wrong, 2 for not told; --fix mends",
  wanted,
  async () => {
    const folder = await Deno.makeTempDir();
    try {
      const put = async (name: string) => {
        const { onnx } = kept.files.find((file) => file.name === name)!;
        const path = `${folder}/${name.replaceAll("/", "-")}.onnx`;
        await Deno.writeFile(path, Uint8Array.from(atob(onnx), (letter) => letter.charCodeAt(0)));
        return path;
      };
      const weights = `${folder}/gru.safetensors`;
      const gru = new GRU(2, 3, { bidirectional: true });
      const { state_dict } = kept.bases["gru-both"];
      for (const [name, { data }] of Object.entries(state_dict)) {
        gru.stateDict()[name.replace("rnn.", "")].data.set(data);
      }
      await saveSafetensors(weights, gru.stateDict());
      const plain = ["--no-runtime"];
      const right = await put("gru-both");
      const wrong = await put("gru-both/reset-before");
      const good = await run(right, "--against", weights, ...plain);
      assertEquals([good.code, good.error], [0, ""]);
      assert(good.out.endsWith("right: 1 recurrent node\n"), good.out);
      const mended = `${folder}/mended.onnx`;
      const bad = await run(wrong, "--against", weights, ...plain);
      assertEquals(bad.code, 1);
      assert(/reset-before: [^]*\(GRU-3\); off by up to/.test(bad.out), bad.out);
      assert([good, bad].every(({ out }) => out.split("\n").every(({ length }) => length <= 80)));
      const fixed = await run(wrong, "--against", weights, "--fix", mended, ...plain);
      assertEquals(fixed.code, 0);
      const [node] = readOnnx(await Deno.readFile(mended)).graph.nodes
        .filter(({ opType }) => opType === "GRU");
      assertEquals(node.attributes.get("linear_before_reset")?.value, 1);
      assertEquals((await run(right, "--against", mended, ...plain)).code, 0); // a file and a file
      // A checkpoint with a layer that is not in the file.
      const more = `${folder}/more.safetensors`;
      const prefixed = (prefix: string, state: ReturnType<GRU["stateDict"]>) =>
        Object.fromEntries(Object.entries(state).map(([name, x]) => [prefix + name, x]));
      await saveSafetensors(more, {
        ...prefixed("a.", gru.stateDict()),
        ...prefixed("b.", new LSTM(2, 3).stateDict()),
      });
      const unsure = await run(right, "--against", more, ...plain);
      assertEquals(unsure.code, 2);
      assertEquals((await run(right, "--against", more, "--prefix", "a.", ...plain)).code, 0);
      const json = await run(wrong, "--against", weights, "--json", ...plain);
      const { verdict, nodes: [{ mistakes: [{ id }] }] } = JSON.parse(json.out);
      assertEquals([json.code, verdict, id], [1, "wrong", "reset-before"]);
      const alone = await run(wrong, ...plain);
      assertEquals(alone.code, 0);
      assert(alone.out.includes("linear_before_reset is 0"));
      const none = await run(`${folder}/none.onnx`, "--against", weights);
      assertEquals([none.code, none.out], [2, ""]);
      assert(none.error.startsWith("judge: ") && none.error.trim().split("\n").length === 1);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);
