/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

/** The Flow page: a sequence goes through a network, step by step. */

import { formatSize } from "../../mod.ts";
import { difference, load, rowsOf, type Scene, sceneOf, type Shown } from "./case.ts";
import { Gates } from "./gates.ts";
import { draw } from "./draw.ts";
import { Heat, type Place } from "./heat.ts";
import { packing, strips } from "./panels.ts";
import { asPyTorch, asTypeScript } from "./programs.ts";
import { format, initial, type Lit, parse, sequenceOf, type State } from "./state.ts";
import { build, isNotebook, type Trace, trace } from "./trace.ts";
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
    const way = direction ? "reverse" : "forward";
    const h = steps()[state.t].h[unit].toFixed(4);
    get("said").textContent = `t = ${state.t}, layer ${layer}, ${way}, unit ${unit}: h = ${h}`;
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
    get("answer").textContent = run.answer.map((y) => y.toFixed(4)).join(", ");
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
    get("gradients").innerHTML = strips(state, run, sequence);
    if (opened) golden(opened);
    else get("packing").innerHTML = packing(state, scene);
    look();
  }

  /** Says what the golden case is, and how far what is shown is from PyTorch's answer. */
  function golden({ id, reason }: Shown): void {
    const { output, hn, cn, answer } = run;
    const parts = { output: output.data, h_n: hn.data, c_n: cn?.data ?? [], answer };
    const far = Object.entries(scene.wanted!)
      .map(([name, numbers]) => difference(parts[name as keyof typeof parts], numbers));
    get("case-id").textContent = id;
    const most = Math.max(...far).toExponential(1);
    get("case-says").textContent =
      `${reason} Nothing here is further than ${most} from what PyTorch answered.`;
    const rows = rowsOf(opened!);
    get<HTMLInputElement>("row").max = `${rows - 1}`;
    get("row").parentElement!.hidden = rows === 1;
  }

  /** Lights up what the call returns in the picture. */
  function light(lit: Lit): void {
    get("heat").dataset.lit = lit === "c_n" && state.kind !== "lstm" ? "h_n" : lit;
  }

  /** Puts the state into the controls. */
  function fill(): void {
    const numbers = ["hidden", "layers", "seed", "length", "row"] as const;
    for (const key of [...numbers, "kind", "signal", "text", "numbers", "lit"] as const) {
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
  for (const id of ["reset", "leave"]) {
    get(id).addEventListener("click", () => {
      change(initial);
      fill();
    });
  }
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
