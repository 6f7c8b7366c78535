/** The programs of scripts/examples/: what they learn from, how far they get, what they leave. */

import { assert, assertEquals } from "@std/assert";
import { goldenFile } from "../../lib/conformance/mod.ts";
import { Generator, loadCheckpoint, noGrad, tensor } from "../../mod.ts";
import { parseCheckpoint } from "../../lib/checkpoints/mod.ts";
import * as characters from "../../scripts/examples/programs/characters.ts";
import * as forecaster from "../../scripts/examples/programs/forecaster.ts";
import * as tagger from "../../scripts/examples/programs/tagger.ts";
import { describe, it, withPermission } from "./law.ts";

const programs = { characters, tagger, forecaster };
const { cases } = goldenFile("examples/curves.json");

/** So many losses. */
const take = (losses: Iterator<number, never>, count: number) =>
  Array.from({ length: count }, () => losses.next().value);

const mean = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0) / numbers.length;

describe("examples", () => {
  it("TRAIN-5: the goldens are of the data that the commands learn", () => {
    for (const [name, { data }] of Object.entries(programs)) {
      const own = cases.filter(({ request }) => request.function === name);
      assertEquals(own.length, 4);
      for (const { request } of own) {
        assertEquals({ ...request.args }, { ...data, seed: request.args?.seed });
      }
      assertEquals(own[0].request.args?.seed, data.seed);
    }
  });

  it("TRAIN-5: a character model learns; it writes what a seed makes it write", () => {
    const { model, losses } = characters.training(characters.data);
    const seen = take(losses, 90);
    assert(mean(seen.slice(-10)) < 0.75 * mean(seen.slice(0, 10)), String(seen.slice(-10)));
    const alphabet = characters.alphabetOf(characters.data.text);
    const write = (seed: number) =>
      characters.write(model, alphabet, "the ", 30, 0.7, new Generator(seed));
    assertEquals([write(1).length, write(1)], [34, write(1)]);
    assert(write(1) !== write(2) && [...write(2)].every((one) => alphabet.includes(one)));
  });

  it("TRAIN-5: a tagger tells words by both of their sides", () => {
    const { model, losses } = tagger.training(tagger.data);
    take(losses, 72);
    const vocabulary = tagger.vocabularyOf(tagger.data.sentences);
    const words = tagger.unseen.flatMap((one) => tagger.tag(model, one, vocabulary));
    const right = words.filter(({ given, wanted }) => given === wanted).length;
    assert(right > 0.9 * words.length, `${right} of ${words.length}`);
    const tags = tagger.tag(model, "the/D light/A boat/N holds/V", vocabulary);
    assertEquals(tags.map(({ given }) => given).join(""), "DANV");
  });

  it("TRAIN-5, KERNEL-5: a forecaster streams what it computes at once", () => {
    const { model, losses } = forecaster.training(forecaster.data);
    const seen = take(losses, 60);
    assert(seen[59] < seen[0] / 5, `${seen[0]} to ${seen[59]}`);
    const values = forecaster.seriesFrom(7, 12);
    const streamed = forecaster.stream(model, values, 15);
    assertEquals(streamed.length, 15);
    const whole = noGrad(() => model.forward(tensor([values.map((value) => [value])])));
    whole.data.forEach((value, t) => assert(Math.abs(value - streamed[t]) < 1e-5));
  });
});

for (const [name, { training, data }] of Object.entries(programs)) {
  withPermission(
    `TRAIN-5: deno task ${name} writes a checkpoint and a picture, and says how far it is`,
    [{ name: "run" }, { name: "read" }, { name: "write" }],
    async () => {
      const out = await Deno.makeTempDir();
      const script = new URL(`../../scripts/examples/${name}.ts`, import.meta.url).pathname;
      const command = new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "--no-lock",
          "--allow-read",
          "--allow-write",
          script,
          "--steps",
          "3",
          "--out",
          out,
        ],
      });
      const { code, stdout, stderr } = await command.output();
      const said = new TextDecoder().decode(stdout);
      assertEquals(
        [code, /step 3\/3 {2}loss /.test(said)],
        [0, true],
        new TextDecoder().decode(stderr),
      );
      const file = `${out}/checkpoint.pt`;
      const losses = take(training(data as never).losses, 3);
      const held = (parseCheckpoint(await Deno.readFile(file)).value as Map<string, unknown>)
        .get("losses") as { values(): Float64Array };
      assertEquals([...held.values()], losses);
      assert((await Deno.readTextFile(`${out}/picture.svg`)).startsWith("<svg "));
      const { model } = training(data as never);
      assertEquals(
        String(model.loadStateDict(await loadCheckpoint(file, { at: "model" }))),
        "<All keys matched successfully>",
      );
      await Deno.remove(out, { recursive: true });
    },
  );
}
