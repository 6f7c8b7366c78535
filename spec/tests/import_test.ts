/**
 * A program elsewhere, the README's five lines, imports `mod.ts` by URL and runs the model, with no
 * permission but that import. The test starts the server itself, so it needs `--allow-net`, `--allow-read` and
 * `--allow-run`, which `deno task test` grants.
 */

import { assertEquals } from "@std/assert";
import { withPermission } from "./law.ts";

/** Serves the repository's TypeScript and nothing else. */
async function serveFile(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  const file = new URL(`../..${pathname}`, import.meta.url);
  try {
    if (!pathname.endsWith(".ts")) throw new Deno.errors.NotFound();
    return new Response(await Deno.readTextFile(file), {
      headers: { "content-type": "application/typescript" },
    });
  } catch {
    return new Response("not found", { status: 404 });
  }
}

withPermission(
  "FC-1: mod.ts runs from a URL with no permission but the import",
  [{ name: "net", host: "127.0.0.1" }, { name: "read" }, { name: "run" }],
  async () => {
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, serveFile);
    const host = `127.0.0.1:${server.addr.port}`;
    const readme = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
    const [, lines, , printed] = readme.match(
      /five lines:\n\n```ts ignore\n([^]*?)```([^]*?)```text\n([^]*?)```/,
    )!;
    const program = lines.replace("localhost:8000", host);
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-config", "--no-prompt", "--quiet", `--allow-import=${host}`, "-"],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
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
