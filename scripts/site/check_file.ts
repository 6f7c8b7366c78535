/** The page "Your file" in a real Chromium. */

import { Buffer } from "node:buffer";
import type { Page } from "npm:playwright-core@1.65.1";
import { parseCheckpoint } from "../../lib/checkpoints/mod.ts";
import { goldenFile } from "../../lib/conformance/mod.ts";
import { stateDictOf, tensor } from "../../mod.ts";
import { bytesOf } from "../adapters/checkpoints.ts";
import { fromWebnnFile } from "../convert/webnn.ts";

/** The text that a page shows. */
export const text = (page: Page, selector: string) => page.locator(selector).innerText();

/**
 * Checks the page.
 *
 * @returns the bytes of a golden checkpoint
 */
export async function checkFile(
  file: Page,
  report: (right: boolean, what: string) => void,
  accessible: (page: Page, name: string) => Promise<void>,
): Promise<Uint8Array> {
  // A dropped golden checkpoint runs to its golden output; a hostile one leaves the page working.
  const { cases: checkpoints } = goldenFile("checkpoints/torch.json");
  const { request, expect } = checkpoints.find(({ id }) => id.endsWith("/run-simple-rnn"))!;
  const bytes = bytesOf(request.file!);
  const give = async (name: string, buffer: Uint8Array, shows = "#report:not([hidden])") => {
    await file.setInputFiles("#pick", []);
    const mimeType = "application/octet-stream";
    await file.setInputFiles("#pick", { name, mimeType, buffer: Buffer.from(buffer) });
    await file.waitForSelector(shows);
  };
  await give("model.pt", bytes);
  report((await text(file, "#is")).includes("SimpleRNN"), "a golden checkpoint is a SimpleRNN");
  const { data } = request.inputs!.input as { data: number[] };
  const lines = [0, 1, 2, 3].map((t) => data.slice(2 * t, 2 * t + 2).join(", ")); // the first row
  await file.locator("#input").fill(lines.join("\n"));
  await file.locator("#first").check();
  await file.locator("#run").click();
  const [wanted] = (expect.outputs!.output as { data: number[] }).data;
  const golden = `output (1, 1)\n${tensor([[wanted]])}`;
  report(
    (await text(file, "#ran")).startsWith(golden),
    `it runs to its golden ${wanted.toFixed(4)}`,
  );
  await file.locator("#measure").click();
  report(
    /steps a second/.test(await text(file, "#speed")),
    `its speed: ${await text(file, "#speed")}`,
  );
  await accessible(file, "Your file");

  // What is converted is offered; the ONNX file comes back, and is right beside its checkpoint.
  const saved = new Map<string, Uint8Array>();
  /** What the button of a format offers. */
  const offered = async (format: string) => {
    const [download] = await Promise.all([
      file.waitForEvent("download"),
      file.locator("#convert").getByText(format, { exact: true }).click(),
    ]);
    return await Deno.readFile(await download.path());
  };
  for (const name of ["safetensors", "ONNX", "Keras"]) {
    saved.set(name, await offered(name));
    if (name === "Keras") {
      report((await text(file, "#how")).includes("set_weights"), "Keras's program is shown");
    }
  }
  await file.locator("#convert").getByText("WebNN").click();
  const not = await text(file, "#how");
  report(not.startsWith("WebNN: "), `what a format has no place for is refused: ${not}`);
  await give("again.safetensors", saved.get("safetensors")!);
  report((await text(file, "#ran")).startsWith("output (1, 1)"), "what was converted comes back");
  await give("model.onnx", saved.get("ONNX")!);
  const judged = await text(file, "#judged");
  report(/^right: /m.test(judged), "an ONNX file is held against the checkpoint before it");
  report((await text(file, "#ran")).startsWith("output (3, 1, 3)"), "and its layers run");
  const lstm = bytesOf(checkpoints.find(({ id }) => id.endsWith("/run-lstm"))!.request.file!);
  await give("lstm.pt", lstm);
  const { state } = fromWebnnFile(await offered("WebNN"));
  const its = stateDictOf(parseCheckpoint(lstm).value);
  report(
    Object.entries(its).every(([name, { data }]) => String(state[name].data) === String(data)),
    "WebNN's operands hold the weights",
  );
  const cut = bytes.subarray(0, bytes.length - 9);
  await give("broken.pt", cut, "#problem:not(:empty)");
  const why = await text(file, "#problem");
  report(await file.locator("#report").isHidden(), `a broken one says why: ${why}`);
  await give("broken.onnx", saved.get("ONNX")!.subarray(0, 99), "#problem:not(:empty)");
  report(await text(file, "#problem") !== why, "a broken ONNX file, too");
  await give("model.pt", bytes);
  report(await text(file, "#problem") === "", "and the page goes on working");
  const refused = await file.evaluate(
    "fetch('site.css').then(() => 'let through', () => 'refused')",
  );
  report(refused === "refused", "the page's policy refuses every connection");
  return bytes;
}
