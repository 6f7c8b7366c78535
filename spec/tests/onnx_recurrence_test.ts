/** What ONNX's recurrent operators are told: each attribute's default, its values, its opsets. */

import { assertEquals, assertThrows } from "@std/assert";
import { ValueError } from "../../mod.ts";
import {
  attributesOf,
  isRecurrent,
  type OnnxRecurrence,
  readOnnx,
  recurrenceOf,
  type WireField,
  writeMessage,
} from "../../lib/onnx/mod.ts";
import { describe, fact as onEveryPath, readablePath } from "./law.ts";

const fact = (claim: string, holds: () => void, clauses = ["ONNX-3"]) =>
  onEveryPath(clauses, claim, holds, readablePath);

const operators = ["RNN", "LSTM", "GRU"] as const;
type Operator = typeof operators[number];

function refused(act: () => unknown, says: string): void {
  assertEquals(assertThrows(act, ValueError).message, says);
}

/** The names of the activations, a list for each direction. */
const namesOf = ({ activations }: OnnxRecurrence) =>
  activations.map((own) => own.map(({ name }) => name));

const usual = {
  RNN: ["Tanh"],
  LSTM: ["Sigmoid", "Tanh", "Tanh"],
  GRU: ["Sigmoid", "Tanh"],
} as const;

describe("attributes of recurrent nodes", () => {
  fact("what is left out has the operator's defaults", () => {
    for (const opType of operators) {
      for (const opset of [1, 7, 14, 25]) {
        const { activations: _, ...told } = recurrenceOf(opType, {}, opset);
        assertEquals(told, {
          ...{ opType, hiddenSize: null, direction: "forward", clip: null, layout: 0 },
          ...{ linearBeforeReset: false, inputForget: false },
        });
      }
      for (const direction of ["forward", "reverse"]) {
        assertEquals(namesOf(recurrenceOf(opType, { direction }, 17)), [[...usual[opType]]]);
      }
      const both = recurrenceOf(opType, { direction: "bidirectional" }, 17);
      assertEquals(namesOf(both), [[...usual[opType]], [...usual[opType]]]);
    }
  });

  fact("what is told is read", () => {
    const told = { hidden_size: 3, direction: "reverse", clip: 0.1, layout: 1 };
    const lstm = recurrenceOf("LSTM", { ...told, input_forget: 1 }, 14);
    assertEquals(
      [lstm.hiddenSize, lstm.direction, lstm.layout, lstm.inputForget],
      [3, "reverse", 1, true],
    );
    assertEquals(lstm.clip, Math.fround(0.1));
    assertEquals(recurrenceOf("RNN", { clip: 0 }, 1).clip, 0);
    const reset = (linear_before_reset: number) =>
      recurrenceOf("GRU", { linear_before_reset }, 3).linearBeforeReset;
    assertEquals([-1, 0, 1, 2].map(reset), [true, false, true, true]);
    for (const output_sequence of [0, 1]) {
      assertEquals(recurrenceOf("RNN", { output_sequence }, 6), recurrenceOf("RNN", {}, 6));
    }
    const numbers = { activation_alpha: [0.5, 2], activation_beta: [1, 3] };
    const activations = ["Affine", "ScaledTanh"];
    const both = recurrenceOf("RNN", { direction: "bidirectional", activations, ...numbers }, 17);
    assertEquals(both.activations, [
      [{ name: "Affine", alpha: 0.5, beta: 1 }],
      [{ name: "ScaledTanh", alpha: 2, beta: 3 }],
    ]);
  });

  fact("activations are as many as the directions take; an RNN may have two", () => {
    const names = ["Relu", "Sigmoid", "Tanh", "Elu", "Softsign", "Softplus", "Relu"];
    for (const opType of operators) {
      for (const direction of ["forward", "bidirectional"]) {
        const each = usual[opType].length;
        const count = direction === "forward" ? each : 2 * each;
        for (let length = 0; length <= 7; length++) {
          const activations = names.slice(0, length);
          const read = () => recurrenceOf(opType, { direction, activations }, 17);
          if (length === count || (opType === "RNN" && length === 2)) {
            const wanted = [names.slice(0, each), names.slice(each, 2 * each)];
            assertEquals(namesOf(read()), wanted.slice(0, count / each));
          } else {
            const says = `a list of ${count} names, not ${activations}`;
            refused(read, `${opType}: activations must be ${says}`);
          }
        }
      }
    }
  });

  fact("an attribute that an operator has not, or not in an opset, is refused", () => {
    const opsets: [name: string, value: unknown, first: number, last: number, only?: Operator][] = [
      ["hidden_size", 1, 1, Infinity],
      ["direction", "forward", 1, Infinity],
      ["activations", ["Tanh", "Tanh"], 1, Infinity],
      ["activation_alpha", [], 1, Infinity],
      ["activation_beta", [], 1, Infinity],
      ["clip", 1, 1, Infinity],
      ["output_sequence", 0, 1, 6],
      ["linear_before_reset", 0, 3, Infinity, "GRU"],
      ["input_forget", 0, 1, Infinity, "LSTM"],
      ["layout", 0, 14, Infinity],
      ["other", 0, Infinity, 0],
      ["toString", 0, Infinity, 0],
      ["a\nb", 0, Infinity, 0],
      ["n".repeat(99), 0, Infinity, 0],
    ];
    for (const [name, value, first, last, only] of opsets) {
      for (const opType of operators) {
        if (opType === "LSTM" && name === "activations") continue;
        for (const opset of [1, 2, 3, 6, 7, 13, 14, 22, 99]) {
          const read = () => recurrenceOf(opType, { [name]: value }, opset);
          const there = opset >= first && opset <= last && (only ?? opType) === opType;
          const shown = name === "a\nb" ? "a\\nb" : name.length > 80 ? `${"n".repeat(79)}…` : name;
          if (there) read();
          else refused(read, `${opType} has no attribute ${shown} in opset ${opset}`);
        }
      }
    }
    recurrenceOf("RNN", {}, 1);
    refused(() => recurrenceOf("RNN", {}, 0), "there is no opset 0");
    refused(() => recurrenceOf("RNN", {}, -3), "there is no opset -3");
    refused(() => recurrenceOf("Conv" as "RNN", {}, 1), "Conv is no recurrent operator");
    refused(() => recurrenceOf("toString" as "RNN", {}, 1), "toString is no recurrent operator");
    assertThrows(() => recurrenceOf("RNN", {}, 1.5), TypeError, "opset");
    assertThrows(() => recurrenceOf("RNN", null as never, 1), TypeError, "attributes");
  });

  fact("a value that an attribute cannot have is refused with what it may be", () => {
    const flag = "0 or 1";
    const way = "forward, reverse or bidirectional";
    const positive = "a positive integer";
    const wrong: [Operator, name: string, word: string, ...values: unknown[]][] = [
      ["RNN", "hidden_size", positive, 0, -1, 1.5, "2", 2n ** 60n, NaN],
      ["RNN", "direction", way, "backward", "Forward", "", 1],
      ["RNN", "activations", "a list of 1 names", "Tanh", [], [1], ["Tanh", 1], { length: 1 }],
      ["LSTM", "activations", "a list of 3 names", ["Tanh", "Tanh"], ["Tanh", 1, "Tanh"]],
      ["RNN", "activation_alpha", "a list of numbers", 1, "1", ["1"], [1, "1"], [1n]],
      ["RNN", "activation_beta", "a list of numbers", 1, "1", ["1"], [1, "1"], [1n]],
      ["RNN", "clip", "0 or more", -1, NaN, "a", "3", [], -1e-9],
      ["RNN", "output_sequence", flag, 2, -1, "1", true, 1n],
      ["LSTM", "input_forget", flag, 2, -1, "1", true],
      ["GRU", "linear_before_reset", "an integer", 0.5, "1", true],
    ];
    for (const [opType, name, word, ...values] of wrong) {
      for (const value of values) {
        const read = () => recurrenceOf(opType, { [name]: value }, 6);
        refused(read, `${opType}: ${name} must be ${word}, not ${value}`);
      }
    }
    const layout = () => recurrenceOf("RNN", { layout: 2 }, 14);
    refused(layout, "RNN: layout must be 0 or 1, not 2");
    for (const name of ["hidden_size", "clip", "activations", "layout"]) {
      assertEquals(recurrenceOf("RNN", { [name]: undefined }, 14), recurrenceOf("RNN", {}, 14));
    }
  });

  fact("a node's attributes are by name; one of the function's caller must be put in first", () => {
    const fields = (...more: WireField[]) =>
      readOnnx(writeMessage([[1, 8], [7, [[1, [[4, "RNN"], ...more]]]], [8, [[2, 17]]]])).graph
        .nodes[0];
    const size: WireField = [5, [[1, "hidden_size"], [3, 2], [20, 2]]];
    assertEquals(attributesOf(fields()), {});
    assertEquals(attributesOf(fields(size, [5, [[1, "clip"], [2, { float: 3 }], [20, 1]]])), {
      ...{ hidden_size: 2, clip: 3 },
    });
    const caller: WireField = [5, [[1, "layout"], [21, "own"], [20, 2]]];
    const says = "layout is the attribute own of the node that calls the function";
    refused(() => attributesOf(fields(size, caller)), says);
    assertThrows(() => attributesOf(1 as never), TypeError, "node");
  });

  fact("RNN, LSTM and GRU of ONNX's own domain are recurrent", () => {
    for (const opType of [...operators, "toString", "Gemm", "rnn"]) {
      const is = operators.includes(opType as Operator);
      assertEquals([opType, isRecurrent({ opType, domain: "" })], [opType, is]);
      assertEquals(isRecurrent({ opType, domain: "com.microsoft" }), false);
    }
  });
});
