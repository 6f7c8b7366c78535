/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

/**
 * The picture of a run: a square for every unit at every time step, drawn once, and marks that move
 * over it without drawing anything anew.
 */

import type { Trace } from "./trace.ts";

/** One square: the input where `layer` is -1. */
export interface Place {
  readonly layer: number;
  readonly direction: number;
  readonly unit: number;
  readonly t: number;
}

interface Row {
  readonly layer: number;
  readonly direction: number;
  readonly unit: number;
  /** `x`, or what of the state. */
  readonly part: "x" | "h" | "c";
  readonly top: number;
  readonly value: (t: number) => number;
}

/** Two ends and a middle: orange for 1, purple for -1, the page's own colour for 0. */
export function colour(value: number, dark: boolean): string {
  if (Number.isNaN(value)) return "#d33";
  const size = Math.min(Math.abs(value), 1) ** 0.8;
  const [from, to] = [
    dark ? [38, 40, 46] : [244, 243, 241],
    value < 0 ? [94, 70, 158] : [204, 104, 12],
  ];
  return `rgb(${from.map((x, k) => Math.round(x + (to[k] - x) * size)).join()})`;
}

const labels = 92; // pixels on the left, for the names of rows
const gap = 10; // pixels between layers

/** Draws runs into an element. */
export class Heat {
  readonly #canvas: HTMLCanvasElement;
  readonly #marks: HTMLElement;
  #rows: Row[] = [];
  #length = 1;
  #width = 0;
  #height = 0;
  #square = { width: 1, height: 1 };

  constructor(element: HTMLElement) {
    this.#canvas = element.querySelector("canvas")!;
    this.#marks = element.querySelector(".marks")!;
    this.#element = element;
  }

  readonly #element: HTMLElement;

  show({ steps }: Trace, dark: boolean): void {
    const features = steps[0][0][0].x.length;
    const hidden = steps[0][0][0].h.length;
    const parts = steps[0][0][0].c ? ["h", "c"] as const : ["h"] as const;
    const count = features + steps.length * steps[0].length * parts.length * hidden;
    const height = count > 90 ? 6 : count > 40 ? 10 : count > 20 ? 16 : 24;
    this.#length = steps[0][0].length;
    this.#rows = [];
    let top = 4; // room for the first name
    const add = (
      layer: number,
      direction: number,
      part: Row["part"],
      units: number,
      value: (unit: number, t: number) => number,
    ) => {
      for (let unit = 0; unit < units; unit++, top += height) {
        this.#rows.push({ layer, direction, unit, part, top, value: (t) => value(unit, t) });
      }
      top += gap;
    };
    add(-1, 0, "x", features, (unit, t) => steps[0][0][t].x[unit]);
    // The h of both directions stand together, since the layer above reads both.
    steps.forEach((directions, layer) =>
      parts.forEach((part) =>
        directions.forEach((own, direction) =>
          add(layer, direction, part, hidden, (unit, t) => own[t][part]![unit])
        )
      )
    );
    this.#width = this.#element.clientWidth;
    this.#height = top - gap;
    this.#square = { width: (this.#width - labels) / this.#length, height };
    this.#draw(dark);
    this.#frames(steps.length, steps[0].length, parts, hidden);
  }

  #draw(dark: boolean): void {
    const ratio = globalThis.devicePixelRatio || 1;
    const { width, height } = this.#square;
    this.#canvas.width = this.#width * ratio;
    this.#canvas.height = (this.#height + 18) * ratio;
    this.#canvas.style.height = `${this.#height + 18}px`;
    const pen = this.#canvas.getContext("2d")!;
    pen.scale(ratio, ratio);
    pen.textBaseline = "middle";
    const ink = getComputedStyle(this.#element).color;
    const said = width > 38 && height >= 24;
    for (const row of this.#rows) {
      pen.font = "12px system-ui, sans-serif";
      pen.textAlign = "left";
      pen.fillStyle = ink;
      if (height >= 16 || row.unit === 0) pen.fillText(name(row), 0, row.top + height / 2);
      for (let t = 0; t < this.#length; t++) {
        const value = row.value(t);
        pen.fillStyle = colour(value, dark);
        const inset = height > 8 ? 1 : 0;
        const [x, y] = [labels + t * width, row.top];
        pen.fillRect(x + inset, y + inset, Math.max(width - 2 * inset, 1), height - 2 * inset);
        if (!said) continue;
        pen.fillStyle = Math.abs(value) > 0.5 ? "#fff" : ink;
        pen.textAlign = "center";
        pen.font = "11px system-ui, sans-serif";
        pen.fillText(value.toFixed(2), x + width / 2, y + height / 2);
      }
    }
    pen.fillStyle = ink;
    pen.textAlign = "center";
    pen.font = "11px system-ui, sans-serif";
    const every = Math.max(1, Math.ceil(22 / width));
    for (let t = 0; t < this.#length; t += every) {
      pen.fillText(`${t}`, labels + (t + 0.5) * width, this.#height + 10);
    }
  }

  /** Frames what the call returns: `output` is the last layer's h, `h_n` and `c_n` are ends. */
  #frames(layers: number, directions: number, parts: readonly ("h" | "c")[], hidden: number): void {
    const frames: string[] = [];
    const frame = (name: string, box: string) =>
      frames.push(`<i class="${name}" style="${box}"></i>`);
    for (let layer = 0; layer < layers; layer++) {
      for (let direction = 0; direction < directions; direction++) {
        const t = direction ? 0 : this.#length - 1;
        const place = { layer, direction, unit: 0, t };
        for (const part of parts) frame(`lit ${part}_n`, this.#box(place, hidden, part));
        if (layer < layers - 1) continue;
        frame("lit output", this.#box({ ...place, t: 0 }, hidden, "h", this.#length));
      }
    }
    this.#marks.innerHTML = `${frames.join("")}<i class="column"></i>${
      '<i class="reads"></i>'.repeat(3)
    }<i class="here"></i>`;
  }

  /** Where a number of rows and steps from a square on are, as a style. */
  #box({ layer, direction, unit, t }: Place, rows = 1, part: Row["part"] = "h", steps = 1): string {
    const row = this.#rows.find((one) =>
      one.layer === layer && one.direction === direction && one.unit === unit &&
      one.part === (layer < 0 ? "x" : part)
    );
    if (!row || t < 0 || t >= this.#length) return "display: none";
    const { width, height } = this.#square;
    return `transform: translate(${labels + t * width}px, ${row.top}px); width: ${
      steps * width
    }px; height: ${rows * height}px`;
  }

  /** Moves the marks to a square: what its cell reads is dashed. */
  mark(place: Place, hidden: number, features: number, both: boolean): void {
    const { layer, direction, t } = place;
    const [column, state, cell, below, here] = [...this.#marks.children].slice(-5) as HTMLElement[];
    const { width } = this.#square;
    column.style.cssText = `transform: translate(${
      labels + t * width
    }px, 0); width: ${width}px; height: ${this.#height}px`;
    const before = direction ? t + 1 : t - 1;
    state.style.cssText = this.#box({ ...place, unit: 0, t: before }, hidden);
    cell.style.cssText = this.#box({ ...place, t: before }, 1, "c");
    const read = layer === 0
      ? this.#box({ layer: -1, direction: 0, unit: 0, t }, features)
      : this.#both(layer - 1, t, hidden, both);
    below.style.cssText = read;
    here.style.cssText = this.#box(place);
  }

  /** The squares of h of a whole layer at a time step. */
  #both(layer: number, t: number, hidden: number, both: boolean): string {
    const own = this.#box({ layer, direction: 0, unit: 0, t }, hidden);
    if (!both) return own;
    const height = 2 * hidden * this.#square.height + gap;
    return own.replace(/height: [\d.]+px/, `height: ${height}px`);
  }

  /** The square at a point, in pixels from the element's corner. */
  at(x: number, y: number): Place | null {
    const t = Math.floor((x - labels) / this.#square.width);
    const row = this.#rows.find(({ top }) => y >= top && y < top + this.#square.height);
    if (!row || t < 0 || t >= this.#length) return null;
    return { layer: row.layer, direction: row.direction, unit: row.unit, t };
  }
}

function name({ layer, direction, unit, part }: Row): string {
  return layer < 0 ? `x_t[${unit}]` : `${direction ? "←" : "→"} l${layer} ${part}[${unit}]`;
}
