/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

/** The Flow page: a sequence goes through a network, step by step. */

import { formatSize, packSequence, slice, tensor, unpackSequence } from "../../mod.ts";
import { difference, load, rowsOf, type Scene, sceneOf, type Shown } from "./case.ts";
import { Gates } from "./gates.ts";
import { colour, Heat, type Place } from "./heat.ts";
import { asPyTorch, asTypeScript } from "./programs.ts";
import { format, initial, limits, type Lit, parse, sequenceOf, type State } from "./state.ts";
import { build, isNotebook, type Setup, type Trace, trace } from "./trace.ts";
import { isDark, onTheme } from "./theme.ts";

const get = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;

const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

export function flow(): void {
  const heat = new Heat(get("heat"));
  const gates = new Gates(get("gates"));
  let state: State = parse(location.hash);
  let opened: Shown | null = null;
  let scene: Scene;
  let run: Trace;
  let playing = 0;

  const steps = () => run.steps[state.unit[0]][state.unit[1]];
  const here = (): Place => ({
    layer: state.unit[0],
    direction: state.unit[1],
    unit: state.unit[2],
    t: state.t,
  });

  /** Moves the marks and the numbers of one unit; draws nothing anew. */
  function look(): void {
    heat.mark(here(), state.hidden, scene.sequence[0].length, state.both);
    gates.show(scene.network, steps()[state.t], state.unit, state.t);
    get<HTMLInputElement>("t").value = `${state.t}`;
    get("now").textContent = `${state.t}`;
    const [layer, direction, unit] = state.unit;
    get("said").textContent = `t = ${state.t}, layer ${layer}, ${
      direction ? "reverse" : "forward"
    }, unit ${unit}: h = ${steps()[state.t].h[unit].toFixed(4)}`;
  }

  /** The address follows what is shown; not at each frame of a play. */
  function address(): void {
    history.replaceState(null, "", `#${format(state)}`);
  }

  /** What is to be shown: a golden case, or what the controls say. */
  function sceneNow(): Scene {
    if (opened) return sceneOf(opened, Math.min(state.row, rowsOf(opened) - 1));
    const sequence = sequenceOf(state);
    return { setup: state, network: build(state, sequence[0].length), sequence };
  }

  function show(): void {
    get("problem").textContent = "";
    try {
      scene = sceneNow();
      run = trace(scene.setup, scene.network, scene.sequence, scene.start);
    } catch (error) {
      get("problem").textContent = (error as Error).message;
      return;
    }
    const { setup, network, sequence } = scene;
    const { kind, hidden, layers, both } = setup;
    const unit = state.unit.map((k, at) => Math.min(k, [layers, both ? 2 : 1, hidden][at] - 1));
    const last = sequence.length - 1;
    state = {
      ...{ ...state, kind, hidden, layers, both },
      ...{ t: Math.min(state.t, last), unit: unit as [number, number, number] },
    };
    get<HTMLInputElement>("t").max = `${last}`;
    heat.show(run, isDark());
    gates.make(state.kind);
    light(state.lit);
    const answer = run.answer.map((y) => y.toFixed(4)).join(", ");
    get("answer").textContent = answer;
    get("answer").parentElement!.hidden = !network.fc;
    get("loss").textContent = network.fc
      ? "the answer, fc(last step),"
      : "the sum of the last output";
    document.querySelector(".ends")!.textContent = state.both
      ? "The reverse direction (←) reads from the last step to the first."
      : "";
    for (const [name, value] of [["output", run.output], ["hn", run.hn], ["cn", run.cn]] as const) {
      if (!value) continue;
      get(name).textContent = String(value);
      get(`${name}-shape`).textContent = formatSize(value.shape);
    }
    get("cn-box").hidden = run.cn === null;
    const twice = !opened && isNotebook(state, sequence[0].length);
    get("python").textContent = asPyTorch(scene, twice);
    get("typescript").textContent = asTypeScript(scene, twice, "@rnn-spec/rnn-spec");
    gradients();
    if (opened) golden(opened);
    else packing();
    look();
  }

  /** Says what the golden case is, and how far what is shown is from PyTorch's answer. */
  function golden({ id, reason }: Shown): void {
    const { output, hn, cn, answer } = run;
    const parts = { output: output.data, h_n: hn.data, c_n: cn?.data ?? [], answer };
    const far = Object.entries(scene.wanted!)
      .map(([name, numbers]) => difference(parts[name as keyof typeof parts], numbers));
    get("case-id").textContent = id;
    get("case-says").textContent = `${reason} Nothing here is further than ${
      Math.max(...far).toExponential(1)
    } from what PyTorch answered.`;
    const rows = rowsOf(opened!);
    get<HTMLInputElement>("row").max = `${rows - 1}`;
    get("row").parentElement!.hidden = rows === 1;
  }

  /** Lights up what the call returns in the picture. */
  function light(lit: Lit): void {
    get("heat").dataset.lit = lit === "c_n" && state.kind !== "lstm" ? "h_n" : lit;
  }

  /** The strips of |∂answer/∂h_t|: this network's, an RNN's and an LSTM's. */
  function gradients(): void {
    const { sequence } = scene;
    const strip = (name: string, values: readonly number[]) => {
      const squares = values.map((value, t) => {
        // 1 is full, 1e-6 is nothing.
        const size = value > 0 ? Math.max(0, 1 + Math.log10(value) / 6) ** 1.5 : 0;
        const title = `t = ${t}: ${value.toExponential(2)}`;
        return `<i title="${title}" style="background: ${
          colour(Math.min(size, 1), isDark())
        }"></i>`;
      });
      const [first, last] = [values[0], values[values.length - 1]];
      return `<p class="strip-name">${name}: ${first.toExponential(1)} at t = 0, ${
        last.toExponential(1)
      } at t = ${values.length - 1}</p><div class="strip" role="img" aria-label="${name}">${
        squares.join("")
      }</div>`;
    };
    const strips = run.steps.flatMap((directions, layer) =>
      directions.map((own, direction) =>
        strip(
          `this network, layer ${layer}, ${direction ? "reverse" : "forward"}`,
          own.map(({ gradient }) => gradient),
        )
      )
    );
    for (const kind of ["tanh", "lstm"] as const) {
      const setup: Setup = { kind, hidden: state.hidden, layers: 1, both: false, seed: state.seed };
      const other = trace(setup, build(setup, sequence[0].length), sequence);
      strips.push(
        strip(
          kind === "tanh" ? "an RNN" : "an LSTM",
          other.steps[0][0].map(({ gradient }) => gradient),
        ),
      );
    }
    get("gradients").innerHTML = strips.join("");
  }

  /** The table of three sequences, padded, packed, and where h_n comes from. */
  function packing(): void {
    const lengths = state.lengths;
    const { sequence, network } = scene;
    const longest = Math.max(...lengths);
    const whole = tensor(
      Array.from({ length: longest }, (_, t) => [...sequence[t % sequence.length]]),
    );
    const own = lengths.map((length) => slice(whole, 0, 0, length));
    const packed = packSequence(own, { enforceSorted: false });
    const [output, final] = network.rnn.forward(packed);
    const h = Array.isArray(final) ? final[0] : final;
    const rows = unpackSequence(output).map((y) => y.shape[0]);
    const owner = (packed.sortedIndices as number[] | null) ?? [0, 1, 2];
    const data = packed.batchSizes.flatMap((size, t) =>
      Array.from({ length: size }, (_, j) => `<td class="s${owner[j]}">${owner[j]}:${t}</td>`)
    );
    const sizes = packed.batchSizes.map((size) => `<td colspan="${size}">${size}</td>`);
    const padded = lengths.map((length, n) =>
      `<tr><th scope="row">sequence ${n}</th>${
        Array.from({ length: longest }, (_, t) =>
          t < length
            ? `<td class="s${n}${t === length - 1 ? " end" : ""}">${n}:${t}</td>`
            : '<td class="pad">pad</td>').join("")
      }</tr>`
    );
    const width = network.rnn.hiddenSize;
    const ends = lengths.map((_, n) => {
      const values = [...h.data].slice(((state.layers - 1) * (state.both ? 2 : 1) * 3 + n) * width)
        .slice(0, Math.min(width, 4)).map((x) => x.toFixed(4));
      return `<li>sequence ${n}: t = ${rows[n] - 1}, h_n = ${values.join(", ")}${
        width > 4 ? ", …" : ""
      }</li>`;
    });
    get("packing").innerHTML = `
      <div class="scroll" tabindex="0" role="region" aria-label="padded and packed"><table><caption>padded, (N, L)</caption>${
      padded.join("")
    }</table>
      <table><caption>packed: <code>data</code> time step by time step, <code>batch_sizes</code> below</caption>
      <tr><th scope="row">data</th>${data.join("")}</tr><tr><th scope="row">batch_sizes</th>${
      sizes.join("")
    }</tr></table></div>
      <p>The forward direction of the last layer ends each sequence at its own last step:</p><ul>${
      ends.join("")
    }</ul>`;
  }

  /** Puts the state into the controls. */
  function fill(): void {
    for (
      const key of [
        "kind",
        "hidden",
        "layers",
        "seed",
        "signal",
        "length",
        "text",
        "numbers",
        "row",
        "lit",
      ] as const
    ) {
      get<HTMLInputElement>(key).value = `${state[key]}`;
    }
    get<HTMLInputElement>("both").checked = state.both;
    get<HTMLInputElement>("lengths").value = state.lengths.join(", ");
    for (const part of document.querySelectorAll<HTMLElement>("[data-for]")) {
      part.hidden = part.dataset.for !== state.signal;
    }
    for (const part of document.querySelectorAll<HTMLElement>("[data-case]")) {
      part.hidden = (part.dataset.case === "yes") !== (opened !== null);
    }
    get<HTMLSelectElement>("lit").options[2].disabled = state.kind !== "lstm";
  }

  function change(part: Partial<State>): void {
    state = parse(format({ ...state, ...part }));
    if (!state.case) opened = null;
    show();
    address();
  }

  get("controls").addEventListener("submit", (event) => event.preventDefault());
  get("controls").addEventListener("change", () => {
    const value = (id: string) => get<HTMLInputElement>(id).value;
    change({
      kind: value("kind") as State["kind"],
      hidden: Number(value("hidden")),
      layers: Number(value("layers")),
      seed: Number(value("seed")),
      both: get<HTMLInputElement>("both").checked,
      signal: value("signal") as State["signal"],
      length: Number(value("length")),
      text: value("text"),
      numbers: value("numbers"),
    });
    fill();
  });
  get("reset").addEventListener("click", () => {
    change(initial);
    fill();
  });
  get("row").addEventListener("change", () => {
    change({ row: Number(get<HTMLInputElement>("row").value) });
    fill();
  });
  get("lit").addEventListener("change", () => {
    change({ lit: get<HTMLSelectElement>("lit").value as Lit });
  });
  for (const box of document.querySelectorAll<HTMLElement>("[data-lights]")) {
    for (const begins of ["pointerenter", "focusin"]) {
      box.addEventListener(begins, () => light(box.dataset.lights as Lit));
    }
    for (const ends of ["pointerleave", "focusout"]) {
      box.addEventListener(ends, () => light(state.lit));
    }
  }
  get("leave").addEventListener("click", () => {
    change(initial);
    fill();
  });
  get("lengths").addEventListener("change", () => {
    change({ lengths: get<HTMLInputElement>("lengths").value.split(/[,\s]+/).map(Number) });
    fill();
  });

  const go = (t: number) => {
    const last = scene.sequence.length - 1;
    state = { ...state, t: Math.min(Math.max(t, 0), last) };
    look();
  };
  get("t").addEventListener("input", () => go(Number(get<HTMLInputElement>("t").value)));
  get("t").addEventListener("change", address);
  get("back").addEventListener("click", () => (go(state.t - 1), address()));
  get("on").addEventListener("click", () => (go(state.t + 1), address()));
  get("play").addEventListener("click", () => {
    const button = get("play");
    const stop = () => {
      cancelAnimationFrame(playing);
      playing = 0;
      button.textContent = "Play";
      button.setAttribute("aria-pressed", "false");
      address();
    };
    if (playing) return stop();
    button.textContent = "Pause";
    button.setAttribute("aria-pressed", "true");
    const last = scene.sequence.length - 1;
    if (state.t === last) go(0);
    let before = performance.now();
    const frame = (now: number) => {
      // Who wants no motion gets a step a second.
      const pace = calm() ? 1000 : 1000 / Number(get<HTMLSelectElement>("pace").value);
      if (now - before >= pace - 2) {
        before = now;
        if (state.t === last) return stop();
        go(state.t + 1);
      }
      playing = requestAnimationFrame(frame);
    };
    playing = requestAnimationFrame(frame);
  });

  get("heat").addEventListener("click", (event) => {
    const box = get("heat").getBoundingClientRect();
    const place = heat.at(event.clientX - box.left, event.clientY - box.top);
    if (!place) return;
    if (place.layer >= 0) state = { ...state, unit: [place.layer, place.direction, place.unit] };
    go(place.t);
    address();
  });
  get("heat").addEventListener("keydown", (event) => {
    const [layer, direction, unit] = state.unit;
    const directions = state.both ? 2 : 1;
    const row = (layer * directions + direction) * state.hidden + unit;
    const to = (next: number) => {
      const most = state.layers * directions * state.hidden - 1;
      const at = Math.min(Math.max(next, 0), most);
      const own = Math.floor(at / state.hidden);
      state = {
        ...state,
        unit: [Math.floor(own / directions), own % directions, at % state.hidden],
      };
      look();
    };
    const keys: Record<string, () => void> = {
      ArrowLeft: () => go(state.t - 1),
      ArrowRight: () => go(state.t + 1),
      ArrowUp: () => to(row - 1),
      ArrowDown: () => to(row + 1),
      Home: () => go(0),
      End: () => go(scene.sequence.length - 1),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
    address();
  });
  get("gates").addEventListener("toggle", look, true);

  for (const button of document.querySelectorAll<HTMLButtonElement>("[data-copy]")) {
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(get(button.dataset.copy!).textContent!);
      const text = button.textContent;
      button.textContent = "Copied";
      setTimeout(() => button.textContent = text, 1200);
    });
  }

  draw(get<HTMLCanvasElement>("draw"), (values) => {
    change({ signal: "numbers", numbers: values.map((x) => x.toFixed(2)).join("\n") });
    fill();
  });
  /** Shows what the address says. */
  async function restore(): Promise<void> {
    state = parse(location.hash);
    try {
      if (!state.case) opened = null;
      else if (opened?.id !== state.case) opened = await load(state.case);
    } catch (error) {
      opened = null;
      state = { ...state, case: "" };
      show();
      get("problem").textContent = (error as Error).message;
      return fill();
    }
    show();
    fill();
  }

  addEventListener("hashchange", restore);
  let width = get("heat").clientWidth;
  new ResizeObserver(() => {
    if (!run || get("heat").clientWidth === width) return;
    width = get("heat").clientWidth;
    heat.show(run, isDark());
    look();
  }).observe(get("heat"));
  onTheme(() => run && show());
  restore();
}

/** Lets somebody draw a signal of 24 steps. */
function draw(canvas: HTMLCanvasElement, drawn: (values: number[]) => void): void {
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
