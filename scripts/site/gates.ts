/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

/**
 * One unit at one time step: its gates as bars, its equation with the numbers in it, and the
 * products of each gate on request. Made once for a setup; afterwards only texts and widths change.
 */

import type { Kind, Network, Step } from "./trace.ts";

/** Four digits, as PyTorch prints. */
const four = (x: number) => x.toFixed(4);

const gateWords: Record<Kind, Record<string, string>> = {
  tanh: { h: "the new state" },
  relu: { h: "the new state" },
  lstm: { i: "input gate", f: "forget gate", g: "what is written", o: "output gate" },
  gru: { r: "reset gate", z: "update gate", n: "what is proposed" },
};

/** Which function makes a gate. */
const functionOf = (kind: Kind, gate: string) =>
  kind === "relu" ? "relu" : kind === "tanh" || gate === "g" || gate === "n" ? "tanh" : "σ";

/** The text of the last equations, with the numbers in it. */
function equations(kind: Kind, { gates, before, cellBefore, h, c }: Step, unit: number): string[] {
  const [a, b, g, o] = gates.map(({ value }) => four(value[unit]));
  if (kind === "lstm") {
    return [
      `c' = f · c + i · g = ${b} · ${four(cellBefore![unit])} + ${a} · ${g} = ${four(c![unit])}`,
      `h' = o · tanh(c') = ${o} · tanh(${four(c![unit])}) = ${four(h[unit])}`,
    ];
  }
  if (kind === "gru") {
    const [old, next] = [four(before[unit]), four(h[unit])];
    return [`h' = (1 - z) · n + z · h = (1 - ${b}) · ${g} + ${b} · ${old} = ${next}`];
  }
  return [];
}

export class Gates {
  readonly #element: HTMLElement;
  #kind: Kind = "tanh";
  #parts: { bar: HTMLElement; value: HTMLElement; sum: HTMLElement; terms: HTMLElement }[] = [];
  #lines: HTMLElement | null = null;
  #title: HTMLElement | null = null;

  constructor(element: HTMLElement) {
    this.#element = element;
  }

  /** Makes the panel for a kind of cell. */
  make(kind: Kind): void {
    if (kind === this.#kind && this.#title) return;
    this.#kind = kind;
    const rows = Object.entries(gateWords[kind]).map(([gate, word]) => `
      <div class="gate">
        <p class="gate-name"><b>${gate}</b> ${word}</p>
        <div class="bar ${functionOf(kind, gate) === "σ" ? "positive" : "signed"}"><i></i></div>
        <output class="gate-value"></output>
        <p class="gate-sum"></p>
        <details><summary>the products of ${gate}</summary><p class="terms"></p></details>
      </div>`).join("");
    this.#element.innerHTML = `<p class="unit-title"></p>${rows}<div class="lines"></div>`;
    this.#title = this.#element.querySelector(".unit-title");
    this.#lines = this.#element.querySelector(".lines");
    this.#parts = [...this.#element.querySelectorAll<HTMLElement>(".gate")].map((gate) => ({
      bar: gate.querySelector(".bar i")!,
      value: gate.querySelector("output")!,
      sum: gate.querySelector(".gate-sum")!,
      terms: gate.querySelector(".terms")!,
    }));
  }

  /** Shows a unit at a step. */
  show(
    { rnn }: Network,
    step: Step,
    [layer, direction, unit]: readonly [number, number, number],
    t: number,
  ): void {
    const kind = this.#kind;
    const end = `_l${layer}${direction ? "_reverse" : ""}`;
    const way = direction ? "reverse" : "forward";
    this.#title!.textContent = `layer ${layer}, ${way}, unit ${unit}, t = ${t}: h' = ${
      four(step.h[unit])
    }`;
    const hidden = step.h.length;
    step.gates.forEach(({ name, fromInput, fromState, value }, k) => {
      const { bar, value: shown, sum, terms } = this.#parts[k];
      const f = functionOf(kind, name);
      const size = Math.min(Math.abs(value[unit]), 1);
      bar.style.transform = f !== "σ"
        ? `translateX(${value[unit] < 0 ? 50 - 50 * size : 50}%) scaleX(${size / 2})`
        : `scaleX(${size})`;
      shown.textContent = four(value[unit]);
      const [a, b] = [four(fromInput[unit]), four(fromState[unit])];
      const [inner, written] = kind === "gru" && name === "n"
        ? [`${four(step.gates[0].value[unit])} · ${b}`, "(W_in x + b_in) + r · (W_hn h + b_hn)"]
        : [b, `(W_i${name} x + b) + (W_h${name} h + b)`];
      sum.textContent = `${name} = ${f}(${written}) = ${f}(${a} + ${inner})`;
      const row = k * hidden + unit;
      const product = (weight: string, bias: string, read: readonly number[]) => {
        const { data } = rnn.getParameter(weight + end);
        const own = read.map((x, j) => `${four(data[row * read.length + j])} · ${four(x)}`);
        if (rnn.bias) own.push(four(rnn.getParameter(bias + end).data[row]));
        return own.join(" + ");
      };
      // The products are many: written only where somebody looks.
      terms.textContent = (terms.parentElement as HTMLDetailsElement).open
        ? `from x: ${product("weight_ih", "bias_ih", step.x)} = ${a}; from h: ${
          product("weight_hh", "bias_hh", step.before)
        } = ${b}`
        : "";
    });
    this.#lines!.textContent = equations(kind, step, unit).join("\n");
  }
}
