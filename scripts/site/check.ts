/**
 * The site in a real Chromium: what it shows is what the library computes.
 *
 * ```sh
 * deno task site:test
 * ```
 */

import { chromium, type Page } from "npm:playwright-core@1.65.1";
import { Buffer } from "node:buffer";
import axe from "npm:axe-core@4.14.1";
import { goldenFile } from "../../lib/conformance/mod.ts";
import { buildSite, serve } from "../site.ts";
import { build, type Setup, trace } from "./trace.ts";
import { format, initial, sequenceOf, type State } from "./state.ts";

let failed = 0;
/** Says what holds. */
function report(right: boolean, what: string): void {
  if (!right) failed++;
  console.log(`${right ? "ok  " : "FAIL"} ${what}`);
}

const root = new URL("../../", import.meta.url).pathname;
const folder = await Deno.makeTempDir();
await buildSite(folder);
const server = serve(folder, 0);
const home = `http://127.0.0.1:${server.addr.port}`;
const browser = await chromium.launch({
  executablePath: Deno.args[0] ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});

/** A page that reports what goes wrong, and every request that leaves the site. */
async function open(address: string, size = { width: 1280, height: 900 }): Promise<Page> {
  const page = await browser.newPage({ viewport: size });
  page.on("pageerror", (error) => report(false, `${address}: ${error.message}`));
  page.on("request", (request) => {
    if (!/^(http:\/\/127\.0\.0\.1|data:|blob:)/.test(request.url())) {
      report(false, `${address} asks for ${request.url()}`);
    }
  });
  await page.goto(`${home}/${address}`);
  return page;
}

/** Whatever a screen reader would stumble over badly. */
async function accessible(page: Page, name: string): Promise<void> {
  await page.addScriptTag({ content: axe.source });
  const { violations } = await page.evaluate("axe.run()") as {
    violations: { id: string; impact: string; nodes: { target: string[] }[] }[];
  };
  const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  const said = serious.map(({ id, nodes }) => `${id} at ${nodes[0].target}`).join("; ");
  report(serious.length === 0, `${name}: axe-core finds nothing serious${said && `, but ${said}`}`);
}

const text = (page: Page, selector: string) => page.locator(selector).innerText();

// The notebook's numbers, to the printed digit.
const flow = await open("index.html");
report(await text(flow, "#answer") === "-0.0877", "Flow starts with the notebook's -0.0877");
report(
  (await text(flow, "#hn")).includes("-0.2459, -0.4186,  0.2501,  0.4190, -0.4264"),
  "the notebook's last hidden activity is on the screen",
);
await accessible(flow, "Flow");

// Every gate's shown value is the library's.
for (const kind of ["tanh", "relu", "lstm", "gru"] as const) {
  const state: State = {
    ...initial,
    kind,
    hidden: 4,
    layers: 2,
    both: true,
    seed: 7,
    t: 3,
    unit: [1, 1, 2],
  };
  await flow.goto(`${home}/index.html#${format(state)}`);
  await flow.reload();
  const setup: Setup = state;
  const { steps } = trace(setup, build(setup, 1), sequenceOf(state));
  const wanted = steps[1][1][3].gates.map(({ value }) => value[2].toFixed(4));
  const shown = await flow.locator(".gate-value").allInnerTexts();
  report(String(shown) === String(wanted), `${kind}: the gates are ${wanted}`);
  const selected = await flow.locator("#kind").inputValue();
  report(
    selected === kind && await flow.locator("#hidden").inputValue() === "4",
    `${kind}: the link restores the state`,
  );
}

// Scrubbing leaks nothing.
await flow.goto(`${home}/index.html#kind=lstm&h=64&length=64&seed=1`);
await flow.reload();
const count = () => flow.evaluate("document.getElementsByTagName('*').length");
await flow.locator("#t").fill("0");
const before = await count();
const paced = await flow.evaluate(`(async () => {
  const slider = document.getElementById("t");
  const start = performance.now();
  for (let k = 0; k < 1000; k++) {
    slider.value = String(k % 64);
    slider.dispatchEvent(new Event("input"));
  }
  return (performance.now() - start) / 1000;
})()`) as number;
report(await count() === before, "scrubbing 1,000 times adds no element");
report(paced < 1000 / 60, `a step at H 64 takes ${paced.toFixed(2)} ms: 60 a second`);

// What is copied prints what is shown.
const state: State = { ...initial, kind: "gru", hidden: 3, both: true, seed: 5 };
await flow.goto(`${home}/index.html#${format(state)}`);
await flow.reload();
const shown = [await text(flow, "#output"), await text(flow, "#hn"), await text(flow, "#answer")]
  .join("\n");
const program = (await text(flow, "#typescript")).replace("@rnn-spec/rnn-spec", `${root}mod.ts`);
const run = async (command: string, args: string[], input: string) => {
  const child = new Deno.Command(command, { args, stdin: "piped", stdout: "piped", stderr: "null" })
    .spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  return new TextDecoder().decode((await child.output()).stdout).trim();
};
report(
  await run(Deno.execPath(), ["run", "--quiet", "--no-config", "-"], program) === shown,
  "the program in TypeScript prints what is shown",
);
const python = Deno.env.get("PYTHON");
if (python) {
  report(
    await run(python, ["-"], await text(flow, "#python")) === shown,
    "the program in PyTorch, too",
  );
} else {console.log(
    "     the program in PyTorch was not run: PYTHON names no interpreter that has it",
  );}

// A dropped checkpoint runs; a hostile one leaves the page working.
const file = await open("file.html");
const { cases } = goldenFile("checkpoints/torch.json");
const { request } = cases.find(({ id }) => id.endsWith("/run-simple-rnn"))!;
const bytes = Uint8Array.from(atob(request.file!.base64), (letter) => letter.charCodeAt(0));
const give = (name: string, buffer: Uint8Array) =>
  file.setInputFiles("#pick", {
    name,
    mimeType: "application/octet-stream",
    buffer: Buffer.from(buffer),
  });
await give("model.pt", bytes);
await file.waitForSelector("#report:not([hidden])");
report((await text(file, "#is")).includes("SimpleRNN"), "a golden checkpoint is a SimpleRNN");
report((await text(file, "#ran")).startsWith("output\ntensor("), "and runs");
await give("broken.pt", bytes.subarray(0, bytes.length - 9));
await file.waitForSelector("#problem:not(:empty)");
report(
  await file.locator("#report").isHidden(),
  `a broken one says why: ${await text(file, "#problem")}`,
);
await give("model.pt", bytes);
await file.waitForSelector("#report:not([hidden])");
report(await text(file, "#problem") === "", "and the page goes on working");
await accessible(file, "Your file");

// Examples run where they stand; cases are shown.
const spec = await open("spec.html#lstm");
await spec.locator("article:not([hidden]) .example button").first().click();
await spec.waitForFunction(
  "document.querySelector('article:not([hidden]) .example output').textContent !== ''",
);
report(
  (await text(spec, "article:not([hidden]) .example output >> nth=0")) === "every assertion holds",
  "an example runs",
);
await spec.locator("article:not([hidden]) [data-cases] summary").first().click();
await spec.waitForSelector("[data-cases] table");
report(true, "golden cases of a clause are shown");
await spec.locator("#search").fill("reset gate");
report(await spec.locator("#found li").count() > 0, "a search finds clauses");
await accessible(spec, "Spec");
const who = await open("who.html");
await accessible(who, "Who computes what");

// Narrow screens scroll down, not sideways.
for (const page of ["index.html", "spec.html", "file.html", "who.html"]) {
  const narrow = await open(page, { width: 360, height: 740 });
  const wide = await narrow.evaluate("document.documentElement.scrollWidth") as number;
  report(wide <= 360, `${page} fits 360 pixels (${wide})`);
  await narrow.close();
}

// How soon it is there.
const times: { paint: number; ready: number }[] = [];
for (let k = 0; k < 20; k++) {
  const page = await open("index.html");
  times.push(
    await page.evaluate(`({
      paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0,
      ready: performance.getEntriesByType("navigation")[0].loadEventEnd,
    })`) as { paint: number; ready: number },
  );
  await page.close();
}
const median = (values: number[]) => values.sort((a, b) => a - b)[10];
const [paint, ready] = [
  median(times.map((one) => one.paint)),
  median(times.map((one) => one.ready)),
];
console.log(`     first paint ${paint.toFixed(0)} ms, ready ${ready.toFixed(0)} ms (median of 20)`);

await browser.close();
await server.shutdown();
await Deno.remove(folder, { recursive: true });
console.log(failed ? `${failed} failed` : "all as it should be");
Deno.exit(failed ? 1 : 0);
