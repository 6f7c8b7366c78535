/** All kernels that training asks for. A build without training has `addCommands` in their place. */

import type { Assembler, Func, Madd } from "../assembler.ts";
import { addCommands } from "./commands.ts";
import { add, columns, copy, multiply, outer, panels } from "./products.ts";
import { elman, gru, lstm } from "../cells.ts";
import { elmanBackward, gruBackward, lstmBackward } from "./recorded_cells.ts";

/** Adds `train` with all that it can be told to do. */
export function addTraining(m: Assembler, madd: Madd, linear: Func): void {
  addCommands(m, madd, linear, {
    outer: outer(m, madd),
    panels: panels(m),
    columns: columns(m),
    copy: copy(m),
    add: add(m),
    multiply: multiply(m),
    lstm: lstm(m, madd, true),
    lstmBackward: lstmBackward(m),
    gru: gru(m, madd, true),
    gruBackward: gruBackward(m),
    tanh: elman(m, madd, "tanh", true),
    tanhBackward: elmanBackward(m, madd, "tanh"),
    relu: elman(m, madd, "relu", true),
    reluBackward: elmanBackward(m, madd, "relu"),
  });
}
