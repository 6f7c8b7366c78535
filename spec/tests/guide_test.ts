/**
 * The guide's lines "From a .pt file to a prediction", run as they stand there, with the addresses
 * of a server in the place of the library's and the file's. Needs `--allow-net`, `--allow-read` and
 * `--allow-run`, which `deno task test` grants.
 */

import { assert, assertEquals } from "@std/assert";
import { manualSeed, SimpleRNN, writeSafetensors } from "../../mod.ts";
import { withPermission } from "./law.ts";

/** The weights that the guide's lines in Python save: those of seed 0, PyTorch's bit for bit. */
function modelFile(): Uint8Array {
  manualSeed(0);
  return writeSafetensors(new SimpleRNN(2, 3, 2).stateDict());
}

async function serve(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname === "/model.pt") return new Response(modelFile() as BodyInit);
  const text = await Deno.readTextFile(new URL(`../..${pathname}`, import.meta.url));
  return new Response(text, { headers: { "content-type": "application/typescript" } });
}

withPermission(
  "CKPT-5, CKPT-9: the guide's lines take a .pt file to a prediction",
  [{ name: "net", host: "127.0.0.1" }, { name: "read" }, { name: "run" }],
  async () => {
    const readme = await Deno.readTextFile(new URL("../guide.md", import.meta.url));
    const section = readme.split("## From a .pt file to a prediction")[1];
    const lines = section.match(/```ts ignore\n(.*?)```/s)![1];
    const printed = section.match(/```text\n(.*?)```/s)![1];
    assertEquals(lines.trim().split("\n").length, 5);
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, serve);
    const host = `127.0.0.1:${server.addr.port}`;
    const program = lines.replace("localhost:8000", host)
      .replace('"model.pt"', `"http://${host}/model.pt"`);
    assert(program !== lines);
    const flags = [`--allow-import=${host}`, `--allow-net=${host}`];
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-config", "--no-prompt", "--quiet", ...flags, "-"],
      ...{ stdin: "piped", stdout: "piped", stderr: "piped" },
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(program));
    await writer.close();
    const { stdout, stderr } = await child.output();
    await server.shutdown();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    assertEquals([text(stdout), text(stderr)], [printed, ""]);
  },
);
