/**
 * The site in a real Chromium: what it shows is what the library computes.
 *
 * ```sh
 * deno task site:test
 * PYTHON=/path/to/python deno task site:test /usr/bin/chromium
 * ```
 */

import { Buffer } from "node:buffer";
import { existsSync } from "node:fs";
import axe from "npm:axe-core@4.14.1";
import { type BrowserContext, chromium, type Page } from "npm:playwright-core@1.65.1";
import { select, tolerance } from "../../lib/conformance/mod.ts";
import { gzipped } from "../command/files.ts";
import { buildSite, scripts, serve } from "../site.ts";
import { fileOf, fits, rowsOf, sceneOf } from "./case.ts";
import { checkFile, text } from "./check_file.ts";
import { root } from "./html.ts";
import { format, initial, sequenceOf, type State } from "./state.ts";
import { build, trace } from "./trace.ts";

let failed = 0;
/** Says what holds. */
function report(right: boolean, what: string): void {
  if (!right) failed++;
  console.log(`${right ? "ok  " : "FAIL"} ${what}`);
}

const folder = await Deno.makeTempDir();
await buildSite(folder);
const server = serve(folder, 0);
const home = `http://127.0.0.1:${server.addr.port}`;
const browser = await chromium.launch({
  executablePath: Deno.args[0] ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});
const context = await browser.newContext({
  viewport: { width: 1280, height: 900 },
  serviceWorkers: "block",
});

/** A page that reports what goes wrong, and every request that leaves the site. */
async function open(address: string, within: BrowserContext = context): Promise<Page> {
  const page = await within.newPage();
  page.on("pageerror", (error) => report(false, `${address}: ${error.message}`));
  page.on("request", (request) => {
    if (!/^(http:\/\/127\.0\.0\.1|file:|data:|blob:)/.test(request.url())) {
      report(false, `${address} asks for ${request.url()}`);
    }
  });
  await page.goto(/^\w+:/.test(address) ? address : `${home}/${address}`);
  await ready(page);
  return page;
}

/** Waits until a page has started. */
const ready = (page: Page) =>
  page.evaluate(`new Promise((done) => {
    const look = () => performance.getEntriesByName("ready").length ? done(0) : setTimeout(look, 5);
    look();
  })`);

/** Whatever a screen reader would stumble over badly, light and dark. */
async function accessible(page: Page, name: string): Promise<void> {
  await page.evaluate(axe.source);
  const said: string[] = [];
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    const { violations } = await page.evaluate("axe.run()") as {
      violations: { id: string; impact: string; nodes: { target: string[] }[] }[];
    };
    const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
    said.push(...serious.map(({ id, nodes }) => `${colorScheme}: ${id} at ${nodes[0].target}`));
  }
  await page.emulateMedia({ colorScheme: null });
  report(said.length === 0, `${name}: axe-core finds nothing serious ${said.join("; ")}`);
}

// How much script there is.
const packed = await Promise.all(scripts.map((name) => gzipped(`${folder}/${name}`)));
const total = packed.reduce((sum, size) => sum + size, 0) / 1024;
report(total <= 200, `${total.toFixed(0)} KiB of script in all, gzipped: at most 200`);

// The notebook's numbers, to the printed digit.
const flow = await open("index.html");
report(await text(flow, "#answer") === "-0.0877", "Flow starts with the notebook's -0.0877");
report(
  (await text(flow, "#hn")).includes("-0.2459, -0.4186,  0.2501,  0.4190, -0.4264"),
  "the notebook's last hidden activity is on the screen",
);
await accessible(flow, "Flow");

/** Shows a state by its link. */
async function link(state: State): Promise<void> {
  await flow.goto("about:blank");
  await flow.goto(`${home}/index.html#${format(state)}`);
  await ready(flow);
}

// Every gate's shown value is the library's, and so is the equation on a click.
for (const kind of ["tanh", "relu", "lstm", "gru"] as const) {
  const size = { hidden: 4, layers: 2, both: true, seed: 7 };
  const state: State = { ...initial, ...size, kind, t: 3, unit: [1, 1, 2] };
  await link(state);
  const { steps } = trace(state, build(state, 1), sequenceOf(state));
  const wanted = steps[1][1][3].gates.map(({ value }) => value[2].toFixed(4));
  const shown = await flow.locator(".gate-value").allInnerTexts();
  report(String(shown) === String(wanted), `${kind}: the gates are ${wanted}`);
  const selected = await flow.locator("#kind").inputValue();
  const hidden = await flow.locator("#hidden").inputValue();
  report(selected === kind && hidden === "4", `${kind}: the link restores the state`);
}
await flow.locator("#heat").focus();
await flow.keyboard.press("ArrowLeft");
report(await text(flow, "#now") === "2", "the arrow keys move in the picture");
await flow.locator("#heat canvas").click({ position: { x: 200, y: 40 } });
await flow.locator(".gate summary").first().click();
await flow.waitForSelector(".terms:not(:empty)");
const terms = await text(flow, ".terms >> nth=0");
report(/^from x: .* · .* = .*; from h: .* · /.test(terms), `a click shows the products: ${terms}`);

// A signal drawn, typed, pasted.
await flow.locator("#signal").selectOption("text");
await flow.locator("#text").fill("abca");
await flow.locator("#text").press("Enter");
report(await text(flow, "#output-shape") === "torch.Size([4, 8])", "typed text is one-hot");
await flow.locator("#signal").selectOption("numbers");
await flow.locator("#numbers").fill("time,value\n0,1\n1,0.5\n2,0.25");
await flow.locator("#numbers").blur();
report(await text(flow, "#output-shape") === "torch.Size([3, 8])", "a table with a head is pasted");
const box = (await flow.locator("#draw").boundingBox())!;
await flow.mouse.move(box.x + 5, box.y + 50);
await flow.mouse.down();
await flow.mouse.move(box.x + 300, box.y + 10, { steps: 30 });
await flow.mouse.up();
report(await text(flow, "#output-shape") === "torch.Size([24, 8])", "a signal is drawn by hand");

// Scrubbing leaks nothing; playing shifts nothing.
await flow.emulateMedia({ reducedMotion: "no-preference" });
await link({ ...initial, kind: "lstm", hidden: 64, length: 64, seed: 1, t: 0 });
const devtools = await context.newCDPSession(flow);
await devtools.send("Performance.enable");
const held = async (name: string) => {
  await devtools.send("HeapProfiler.collectGarbage");
  const { metrics } = await devtools.send("Performance.getMetrics");
  return metrics.find((one) => one.name === name)!.value;
};
const scrub = `(() => {
  const slider = document.getElementById("t");
  const start = performance.now();
  for (let k = 0; k < 1000; k++) {
    slider.value = String(k % 64);
    slider.dispatchEvent(new Event("input"));
    document.body.offsetHeight;
  }
  return (performance.now() - start) / 1000;
})()`;
const paces = [await flow.evaluate(scrub) as number];
const before = [await held("Nodes"), await held("JSEventListeners"), await held("JSHeapUsedSize")];
for (let k = 0; k < 2; k++) paces.push(await flow.evaluate(scrub) as number);
const after = [await held("Nodes"), await held("JSEventListeners"), await held("JSHeapUsedSize")];
report(
  after[0] <= before[0] && after[1] <= before[1] && after[2] - before[2] < 100_000,
  `scrubbing 2,000 times leaves ${after[0] - before[0]} nodes, ${after[1] - before[1]} listeners, ${
    after[2] - before[2]
  } bytes`,
);
const pace = Math.min(...paces);
report(pace < 1000 / 60, `a step at H 64 takes ${pace.toFixed(2)} ms with its layout: 60 a second`);
await flow.locator("#t").fill("0");
await flow.locator("#pace").selectOption("60");
const played = await flow.evaluate(`new Promise((done) => {
  let moved = 0;
  new PerformanceObserver((list) => {
    for (const { value } of list.getEntries()) moved += value;
  }).observe({ type: "layout-shift" });
  const start = performance.now();
  document.getElementById("play").click();
  const look = (now) => document.getElementById("play").textContent === "Play"
    ? setTimeout(() => done({ moved, seconds: (now - start) / 1000 }), 100)
    : requestAnimationFrame(look);
  requestAnimationFrame(look);
})`) as { moved: number; seconds: number };
report(played.moved === 0, `playing shifts nothing (${played.moved})`);
console.log(`     63 steps played in ${played.seconds.toFixed(2)} s`);
await flow.emulateMedia({ reducedMotion: "reduce" });
const moves = await flow.evaluate(
  "getComputedStyle(document.querySelector('.bar i')).transitionDuration",
);
report(moves === "0s", `where less motion is asked for, bars do not slide (${moves})`);

// What is copied prints what is shown, of a seed and of a golden case.
const run = async (command: string, args: string[], input: string) => {
  const child = new Deno.Command(command, { args, stdin: "piped", stdout: "piped", stderr: "null" })
    .spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  return new TextDecoder().decode((await child.output()).stdout).trim();
};
const python = Deno.env.get("PYTHON");
if (!python) console.log("     PYTHON names no interpreter with PyTorch: its programs are not run");
/** Runs both programs that the page shows. */
async function copied(what: string): Promise<void> {
  const parts = ["#output", "#hn", "#cn", "#answer"];
  const visible = [];
  for (const part of parts) if (await flow.locator(part).isVisible()) visible.push(part);
  const shown = (await Promise.all(visible.map((part) => text(flow, part)))).join("\n");
  const program = (await text(flow, "#typescript"))
    .replace("@rnn-spec/rnn-spec", `${root.pathname}mod.ts`);
  const printed = await run(Deno.execPath(), ["run", "--quiet", "--no-config", "-"], program);
  report(printed === shown, `${what}: the program in TypeScript prints what is shown`);
  if (!python) return;
  const given = await run(python, ["-"], await text(flow, "#python"));
  report(given === shown, `${what}: the program in PyTorch, too`);
}
await link({ ...initial, kind: "gru", hidden: 3, both: true, seed: 5 });
await copied("a GRU in both directions");

// Every golden case that Flow can show is what PyTorch answered.
const { atol, rtol } = tolerance.float32;
const near = (x: number, y: number) =>
  Object.is(x, y) || Math.abs(x - y) <= atol + rtol * Math.abs(y);
let [cases, far] = [0, 0];
for (const task of select({ levels: ["forward"] }).filter((task) => fits(task))) {
  for (const row of new Set([0, rowsOf(task) - 1])) {
    const { setup, network, sequence, start, wanted } = sceneOf(task, row);
    const { output, hn, cn, answer } = trace(setup, network, sequence, start);
    const given = { output: output.data, h_n: hn.data, c_n: cn?.data ?? [], answer };
    cases++;
    for (const [name, numbers] of Object.entries(wanted!)) {
      const mine = [...given[name as keyof typeof given]];
      if (mine.length !== numbers.length || numbers.some((y, k) => !near(mine[k], y))) {
        far++;
        console.log(`     ${task.id}, row ${row}: ${name}`);
      }
    }
  }
}
report(far === 0, `${cases} rows of golden cases are computed as PyTorch computes them`);
const [{ id }] = select({ levels: ["forward"] }).filter((task) =>
  fits(task) && task.request.module === "LSTM" && rowsOf(task) > 1 &&
  existsSync(`${folder}/cases/${fileOf(task.id)}.js`)
);
await link({ ...initial, case: id, t: 0 });
await flow.waitForSelector("#case-id:not(:empty)");
report(await text(flow, "#case-id") === id, `the golden case ${id} opens in Flow`);
report(
  /further than \d.*e-\d+ from/.test(await text(flow, "#case-says")),
  "and says how near it is",
);
await copied("a golden case");

const bytes = await checkFile(await open("file.html"), report, accessible);

// Examples run where they stand; cases are shown, and lead to Flow.
const spec = await open("spec.html#lstm");
const examples = await spec.evaluate(`(async () => {
  const wrong = [];
  const all = [...document.querySelectorAll(".example")];
  for (const example of all) {
    example.querySelector("button").click();
    const output = example.querySelector("output");
    while (output.textContent === "") await new Promise((done) => setTimeout(done));
    if (!output.textContent.endsWith("every assertion holds")) wrong.push(output.textContent + ": " + example.querySelector("textarea").value.slice(0, 300));
  }
  return { count: all.length, wrong };
})()`) as { count: number; wrong: string[] };
report(
  examples.count > 100 && examples.wrong.length === 0,
  `${examples.count} examples run ${examples.wrong.join("; ")}`,
);
const area = spec.locator("article:not([hidden]) .example textarea").first();
await area.fill('import { assert } from "@std/assert";\nassert(false, "as edited");');
await spec.locator("article:not([hidden]) .example button").first().click();
await spec.waitForFunction(
  "document.querySelector('article:not([hidden]) output').matches('.wrong')",
);
const edited = await text(spec, "article:not([hidden]) output >> nth=0");
report(edited.includes("as edited"), "an example that was edited runs as edited");
await spec.locator("article:not([hidden]) [data-cases] summary").first().click();
await spec.waitForSelector("[data-cases] table");
await accessible(spec, "Spec");
await spec.locator("#search").fill("reset gate");
report(await spec.locator("#found li a").count() > 0, "a search finds clauses");
await spec.locator("[data-cases] a").first().click();
await spec.waitForSelector("#case-id:not(:empty)");
report(/index\.html#.*case=/.test(spec.url()), "a golden case of a clause opens in Flow");

// The matrix, and the page of a mistake.
const who = await open("who.html");
await accessible(who, "Who computes what");
await who.locator("#mistakes + p + .scroll a[href$='merged-biases.html']").click();
await who.waitForSelector("tr.off");
report((await text(who, "main")).includes("GRU-3"), "a mistake has a page, which names its clause");
await accessible(who, "a mistake");
await who.getByText("Open it in Flow").click();
await who.waitForSelector("#case-id:not(:empty)");
report(true, "the smallest case that shows it opens in Flow");

// Narrow screens scroll down, not sideways.
const narrow = await open("index.html");
await narrow.setViewportSize({ width: 360, height: 740 });
const everyPage = ["index.html", "spec.html", "file.html", "who.html", "mistakes/gates-iofg.html"];
for (const page of everyPage) {
  await narrow.goto(`${home}/${page}`);
  const wide = await narrow.evaluate("document.documentElement.scrollWidth") as number;
  report(wide <= 360, `${page} fits 360 pixels (${wide})`);
}

// From a folder, without a server.
const local = await open(`file://${folder}/index.html`);
report(await text(local, "#answer") === "-0.0877", "Flow works from a folder");
await local.goto(`file://${folder}/index.html#case=${encodeURIComponent(id)}`);
await local.waitForSelector("#case-id:not(:empty)");
await local.goto(`file://${folder}/file.html`);
await ready(local);
await local.setInputFiles("#pick", {
  ...{ name: "model.pt", mimeType: "application/octet-stream", buffer: Buffer.from(bytes) },
});
await local.waitForSelector("#report:not([hidden])");
report((await text(local, "#is")).includes("SimpleRNN"), "a golden case and a file, too");

/** The median of a number that 20 loads of a page give, in milliseconds. */
function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1];
}
for (const address of everyPage) {
  const [paints, readies]: number[][] = [[], []];
  for (let k = 0; k < 20; k++) {
    const page = await open(address);
    const [paint, ready] = await page.evaluate(`new Promise((resolve) => {
      new PerformanceObserver((list) => {
        const [paint] = list.getEntriesByName("first-contentful-paint");
        if (!paint) return;
        const ready = Math.max(
          performance.getEntriesByName("ready")[0].startTime,
          performance.getEntriesByType("navigation")[0].loadEventEnd,
        );
        resolve([paint.startTime, ready]);
      }).observe({ type: "paint", buffered: true });
    })`) as [number, number];
    paints.push(paint);
    readies.push(ready);
    await page.close();
  }
  console.log(
    `     ${address}: first paint ${median(paints).toFixed(0)} ms, ready ${
      median(readies).toFixed(0)
    } ms (median of 20)`,
  );
}

// Offline after one load.
const own = await browser.newContext();
const first = await open("index.html", own);
await first.evaluate("navigator.serviceWorker.ready.then(() => {})");
await server.shutdown();
for (const page of [...everyPage, ""]) {
  await first.goto(`${home}/${page}`);
  await ready(first);
  report(await first.locator("h1").first().isVisible(), `offline after one load: ${page || "/"}`);
}
report(await text(first, "#answer") === "-0.0877", "and Flow computes");

await browser.close();
await Deno.remove(folder, { recursive: true });
console.log(failed ? `${failed} failed` : "all as it should be");
Deno.exit(failed ? 1 : 0);
