/** All kernels that training asks for. A build without training has `addCommands` in their place. */

import type { Assembler, Func, Madd } from "../assembler.ts";
import { addCommands } from "./commands.ts";
import { add, columns, copy, multiply, outer, panels } from "./products.ts";
import {
  elmanBackward,
  elmanForward,
  gruBackward,
  gruForward,
  lstmBackward,
  lstmForward,
} from "./recorded_cells.ts";

/** Adds `train` with all that it can be told to do. */
export function addTraining(m: Assembler, madd: Madd, linear: Func): void {
  addCommands(m, madd, linear, {
    outer: outer(m, madd),
    panels: panels(m),
    columns: columns(m),
    copy: copy(m),
    add: add(m),
    multiply: multiply(m),
    lstm: lstmForward(m, madd),
    lstmBackward: lstmBackward(m),
    gru: gruForward(m, madd),
    gruBackward: gruBackward(m),
    tanh: elmanForward(m, madd, "tanh"),
    tanhBackward: elmanBackward(m, madd, "tanh"),
    relu: elmanForward(m, madd, "relu"),
    reluBackward: elmanBackward(m, madd, "relu"),
  });
}
