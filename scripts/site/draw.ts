/// <reference lib="dom" />

/** The canvas on which a signal is drawn by hand. */

import { limits } from "./state.ts";

/** Lets somebody draw a signal of 24 steps. */
export function draw(canvas: HTMLCanvasElement, drawn: (values: number[]) => void): void {
  const values = new Array<number>(24).fill(0);
  const pen = canvas.getContext("2d")!;
  const paint = () => {
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.strokeStyle = "#8a8f98";
    pen.strokeRect(0.5, 0.5, canvas.width - 1, canvas.height - 1);
    pen.fillStyle = "#cc680c";
    const width = canvas.width / values.length;
    values.forEach((value, k) =>
      pen.fillRect(k * width + 2, canvas.height / 2, width - 4, -value * canvas.height / 2.1)
    );
  };
  canvas.addEventListener("pointermove", (event) => {
    if (!event.buttons) return;
    const box = canvas.getBoundingClientRect();
    const k = Math.floor((event.clientX - box.left) / box.width * values.length);
    const value = 1 - 2 * (event.clientY - box.top) / box.height;
    if (k >= 0 && k < values.length) values[k] = Math.min(Math.max(value, -1), 1);
    paint();
  });
  canvas.addEventListener("pointerup", () => drawn(values.slice(0, limits.length)));
  paint();
}
