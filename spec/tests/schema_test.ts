/** Every golden file fits `golden/schema.json`, and what does not fit is told apart. */

import { assert, assertEquals } from "@std/assert";
import { Ajv2020 } from "ajv/dist/2020.js";
import { files } from "../../golden/mod.ts";
import schema from "../../golden/schema.json" with { type: "text" };
import { describe, fact, it } from "./law.ts";

const validate = new Ajv2020({ strict: true, strictTypes: false }).compile(JSON.parse(schema));

describe("golden/schema.json", () => {
  for (const [path, text] of Object.entries(files)) {
    it(`CONFORM-1: ${path} fits`, () => {
      validate(JSON.parse(text));
      assertEquals((validate.errors ?? []).slice(0, 5), []);
    });
  }

  fact(["CONFORM-1"], "a file that breaks it is refused", () => {
    const good = () => JSON.parse(files["rnn/forward.json"]);
    const breaks: ((file: ReturnType<typeof good>) => void)[] = [
      (file) => delete file.about,
      (file) => file.cases.splice(0),
      (file) => file.cases[0].id = "no chapter",
      (file) => file.cases[0].clauses.push("stack 1"),
      (file) => file.cases[0].request.op = "guess",
      (file) => file.cases[0].request.dtype = "float16",
      (file) => delete file.cases[0].expect.outputs.output.shape,
      (file) => file.cases[0].expect.outputs.output.data[0] = "nan",
      (file) => file.cases[0].expect = {},
      (file) => file.cases[0].note = "more",
    ];
    for (const change of breaks) {
      const file = good();
      change(file);
      assert(!validate(file), String(change));
    }
    assert(validate(good()));
  });
});
