/**
 * Tries this library in a browser: bundles `mod.ts`, serves it to a headless Chromium, and has it
 * compute there on every path and on two threads; then on a page whose content policy allows no
 * WebAssembly, where the readable path has to compute.
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

/** What the page with a strict policy finds out. */
interface Strict {
  /** What the library told the console. */
  readonly notes: readonly string[];
  /** Whether the answers are, to the bit, the readable path's. */
  readonly readable: boolean;
  /** What `setNumThreads(2)` answers. */
  readonly threads: string;
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
  location = "/strict";
`;

/** What the page with a strict policy runs. */
const strictScript = `
  const send = (found) => fetch("/strict", { method: "POST", body: JSON.stringify(found) });
  try {
    const notes = [];
    console.warn = (text) => notes.push(text);
    const { LSTM, noGrad, randn, setKernels, setNumThreads } = await import("/rnn-spec.js");
    const [lstm, x] = [new LSTM(16, 16), randn([10, 3, 16])];
    const pass = () => noGrad(() => lstm.forward(x)[0].data);
    const given = [pass(), pass()];
    const threads = await setNumThreads(2).then(() => "ready", String);
    given.push(pass());
    setKernels("readable");
    const wanted = pass();
    const readable = given.every((one) => one.every((y, k) => Object.is(y, wanted[k])));
    await send({ notes, readable, threads });
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
const page = (name: string) => `<!doctype html><script type="module" src="/${name}.js"></script>`;
const files: Record<string, readonly [body: string, type: string]> = {
  "/": [page("page"), "text/html"],
  "/page.js": [script, "text/javascript"],
  "/strict": [page("strict"), "text/html"],
  "/strict.js": [strictScript, "text/javascript"],
  "/rnn-spec.js": [await Deno.readTextFile(bundle), "text/javascript"],
};
const [ordinary, strict] = [Promise.withResolvers<Found>(), Promise.withResolvers<Strict>()];
const server = Deno.serve({ port: 0, onListen: () => {} }, async (request) => {
  const { pathname } = new URL(request.url);
  if (request.method === "POST") {
    const found = await request.json();
    if (pathname === "/strict") strict.resolve(found);
    else ordinary.resolve(found);
    return new Response();
  }
  const [body, type] = files[pathname] ?? [null, "text/plain"];
  const policy = { "content-security-policy": "script-src 'self'" };
  const headers = {
    "content-type": type,
    ...isolating,
    ...(pathname === "/strict" && policy),
  };
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

const found = { ...await ordinary.promise, strict: await strict.promise };
clearTimeout(limit);
browser.kill();
await browser.status;
await server.shutdown();
await Deno.remove(folder, { recursive: true });
console.log(JSON.stringify(found, null, 2));
const close = Object.values(found.paths ?? {}).every(({ distance }) => distance < 1e-5);
const right = !found.error && close && found.isolated && found.threadsAgree &&
  found.printed.startsWith("tensor([[-0.0877]]") && found.strict.readable &&
  found.strict.notes.length === 1 && found.strict.threads.startsWith("RuntimeError");
console.log(right ? "all as it should be" : "not as it should be");
Deno.exit(right ? 0 : 1);
