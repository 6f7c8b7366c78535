/**
 * Tries this library in a browser: bundles `mod.ts`, serves it to a headless Chromium, and has it
 * compute there on every path and on two threads.
 *
 * ```sh
 * deno task browser              runs `chromium`
 * deno task browser google-chrome
 * ```
 *
 * @module
 */

/** What the page finds out. */
interface Found {
  /** Whether threads can share memory. */
  readonly isolated: boolean;
  /** Of each path: the largest distance from the readable one, and the milliseconds of a pass. */
  readonly paths: Record<string, { distance: number; milliseconds: number }>;
  /** Whether two threads give the bits of one. */
  readonly threadsAgree: boolean;
  /** What the notebook's model says, as printed. */
  readonly printed: string;
  /** What went wrong, if anything did. */
  readonly error?: string;
}

/** What the page runs. */
const script = `
  const send = (found) => fetch("/found", { method: "POST", body: JSON.stringify(found) });
  try {
    const rnn = await import("/rnn-spec.js");
    const { linspace, manualSeed, noGrad, randn, reshape, SimpleRNN, sin } = rnn;
    manualSeed(1949603856);
    new SimpleRNN(1, 5, 1);
    const wave = reshape(sin(linspace(0, Math.PI, 10)), [1, 10, 1]);
    const printed = String(new SimpleRNN(1, 5, 1).forward(wave));

    const [lstm, x] = [new rnn.LSTM(128, 128), randn([100, 32, 128])];
    const pass = () => noGrad(() => lstm.forward(x)[0].data);
    const paths = {};
    let readable;
    for (const path of ["readable", "simd128", "relaxed"]) {
      rnn.setKernels(path);
      const given = pass();
      readable ??= given;
      const distance = given.reduce((most, y, k) => Math.max(most, Math.abs(y - readable[k])), 0);
      for (let k = 0; k < 5; k++) path === "readable" || pass();
      const start = performance.now();
      pass();
      paths[path] = { distance, milliseconds: performance.now() - start };
    }
    const alone = pass();
    await rnn.setNumThreads(2);
    const together = pass();
    const threadsAgree = alone.every((y, k) => Object.is(y, together[k]));
    await send({ isolated: crossOriginIsolated, paths, threadsAgree, printed });
  } catch (error) {
    await send({ error: String(error?.stack ?? error) });
  }
`;

const folder = await Deno.makeTempDir();
const bundle = `${folder}/rnn-spec.js`;
const mod = new URL("../mod.ts", import.meta.url).pathname;
const { success, stderr } = await new Deno.Command(Deno.execPath(), {
  args: ["bundle", "--quiet", "--minify", "--output", bundle, mod],
}).output();
if (!success) throw new Error(new TextDecoder().decode(stderr));

const isolating = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};
const { promise, resolve } = Promise.withResolvers<Found>();
const server = Deno.serve({ port: 0, onListen: () => {} }, async (request) => {
  const { pathname } = new URL(request.url);
  if (pathname === "/found") {
    resolve(await request.json());
    return new Response();
  }
  const [body, type] = pathname === "/"
    ? [`<!doctype html><script type="module">${script}</script>`, "text/html"]
    : pathname === "/rnn-spec.js"
    ? [await Deno.readTextFile(bundle), "text/javascript"]
    : [null, "text/plain"];
  const headers = { "content-type": type, ...isolating };
  return new Response(body, { status: body === null ? 404 : 200, headers });
});
const program = Deno.args[0] ?? "chromium";
const command = new Deno.Command(program, {
  args: [
    ...["--headless", "--no-sandbox", "--disable-gpu", `--user-data-dir=${folder}/profile`],
    `http://localhost:${server.addr.port}/`,
  ],
  stdout: "null",
  stderr: "null",
});

/** Ends with one line on what went wrong, and leaves nothing behind. */
function fail(message: string): never {
  Deno.removeSync(folder, { recursive: true });
  console.error(`browser: ${message}`);
  Deno.exit(2);
}

let browser: Deno.ChildProcess;
try {
  browser = command.spawn();
} catch (error) {
  fail(`cannot start "${program}": ${(error as Error).message}`);
}
const limit = setTimeout(() => {
  browser.kill();
  fail("the page did not answer within two minutes");
}, 120_000);

const found = await promise;
clearTimeout(limit);
browser.kill();
await browser.status;
await server.shutdown();
await Deno.remove(folder, { recursive: true });
console.log(JSON.stringify(found, null, 2));
const close = Object.values(found.paths ?? {}).every(({ distance }) => distance < 1e-5);
const right = !found.error && close && found.isolated && found.threadsAgree &&
  found.printed.startsWith("tensor([[-0.0877]]");
console.log(right ? "all as it should be" : "not as it should be");
Deno.exit(right ? 0 : 1);
