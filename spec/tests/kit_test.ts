/**
 * The parts of the kit (CONFORM), each alone and without a program: the examination of
 * a program that is played, and what mistakes do to the golden answers.
 */

import { assert, assertEquals } from "@std/assert";
import {
  commit,
  compare,
  examine,
  explain,
  judge,
  mistakes,
  noFindings,
  noOddities,
  report,
  type Result,
  select,
  type Task,
  verdict,
} from "../../lib/conformance/mod.ts";
import type { Ending, Limits, Settings, Status, Talk } from "../../lib/conformance/examine.ts";
import type { Answer, JsonNumber, JsonTensor } from "../../lib/conformance/pair.ts";
import { bfloat16 } from "../../lib/conformance/mistakes/numbers.ts";
import { recompute } from "../../lib/conformance/variant.ts";
import { describe, fact as onEveryPath, it, readablePath } from "./law.ts";

const fact = (clauses: readonly string[], claim: string, holds: () => void) =>
  onEveryPath(clauses, claim, holds, readablePath);

const all = select();

const plain = all.filter(({ request, expect }) => request.op === "forward" && !expect.error);
const tasks = ["linear", "cells"].flatMap((name) =>
  plain.filter(({ chapter }) => chapter === name).slice(0, 6)
);

/** What a program that is played does with a request: answers, or ends so before it. */
type Deed = "right" | "wrong" | "twice" | "lazy" | "dies" | "hangs" | "is not started";

/** What happened while a program was played. */
interface Played {
  readonly starts: string[][];
  readonly startups: number[];
  readonly lines: number[];
}

/**
 * Plays a program: what it does with each request that comes, in order. One that keeps its answers to
 * itself loses them where it dies.
 */
async function played(
  deed: (id: string, start: number) => Deed,
  settings: Settings & { keeps?: boolean; put?: readonly Task[] } = {},
) {
  const { keeps = false, put = tasks, ...rest } = settings;
  const seen: Played = { starts: [], startups: [], lines: [] };
  const byId = new Map(put.map((task) => [task.id, task]));
  const converse = (limits: Limits, talk: Talk): Promise<Ending> => {
    const start = seen.starts.push([...talk.requests.keys()]) - 1;
    seen.startups.push(limits.startup);
    seen.lines.push(limits.line);
    const said: [string, Answer, boolean][] = [];
    const ended = (how: Ending["how"], why: string): Promise<Ending> => {
      if (!keeps || how === "answered") said.forEach((one) => talk.hear(...one));
      const first = !keeps && said.length ? { first: 2 } : {};
      return Promise.resolve({ how, why, ...first });
    };
    for (const [id, line] of talk.requests) {
      assertEquals(JSON.parse(line).id, id);
      const own = deed(id, start);
      if (own === "dies") return ended("died", "ended with status 3");
      if (own === "hangs") return ended("hung", "gave no answer within 10 s");
      if (own === "is not started") return ended("not started", "cannot be started");
      const { expect } = byId.get(id)!;
      if (own === "wrong") said.push([id, { outputs: {} }, false]);
      else if (own === "lazy") said.push([id, { unsupported: "no  such\nthing" }, false]);
      else said.push([id, expect, false]);
      if (own === "twice") said.push([id, { outputs: {} }, true]);
    }
    return ended("answered", "");
  };
  return { ...await examine(converse, put, rest), ...seen };
}

const by = (results: readonly Result[], status: Status) =>
  results.filter((one) => one.status === status).map(({ task: { id } }) => id);

const ids = tasks.map(({ id }) => id);

describe("examination", () => {
  it("CONFORM-4: all requests are put at once, and all results stand in the order of the cases", async () => {
    const { results, oddities, starts, startups, lines, stopped } = await played(() => "right");
    assertEquals([starts, startups, oddities, stopped], [[ids], [60], noOddities(), undefined]);
    assertEquals(by(results, "passed"), ids);
    assert(lines[0] >= 65536); // the longest line that is kept has room for the longest answer
    const none = await played(() => "right", { put: [] });
    assertEquals([none.results, none.starts, none.oddities.restarts], [[], [], 0]);
  });

  it("CONFORM-3: an answer is right, wrong, refused or declined", async () => {
    const { results } = await played((id) =>
      id === ids[1] ? "wrong" : id === ids[2] ? "lazy" : "right"
    );
    assertEquals([by(results, "wrong"), by(results, "unsupported")], [[ids[1]], [ids[2]]]);
    assertEquals(results[2].why, "no such thing");
    assert(results[1].answer && results[1].units === Infinity && results[1].differences.length > 0);
    const [task] = tasks;
    const message = "\x1b[31mtoo   big\x1b[0m\n12 ";
    const refused = judge(task, { error: { type: "Error", message } });
    assertEquals([refused.status, refused.why], ["refused", "Error: too big 12"]);
    assertEquals(judge(task, { error: { message: "x" } as Answer["error"] }).why, "Error: x");
    assertEquals(judge(task, { error: "odd" as unknown as Answer["error"] }).why, "odd");
    const failing = all.find(({ expect }) => expect.error)!;
    assertEquals(judge(failing, failing.expect).status, "passed");
    assertEquals(judge(failing, { error: { type: "E", message: "x" } }).status, "wrong");
  });

  it("CONFORM-4: one case that is fatal is asked alone, and loses only itself", async () => {
    for (const victim of [ids[0], ids[5], ids[11]]) {
      const { results, starts, oddities } = await played((id) => id === victim ? "dies" : "right");
      assertEquals(by(results, "crashed"), [victim]);
      assertEquals(by(results, "passed").length, ids.length - 1);
      assert(starts.some((put) => put.length === 1 && put[0] === victim));
      assertEquals(oddities.restarts, starts.length - 1);
      assertEquals(
        results.find(({ task: { id } }) => id === victim)!.why,
        "the program ended with status 3",
      );
    }
  });

  it("CONFORM-4: after one that is fatal, the rest is put with its chapter last", async () => {
    const victim = tasks[2];
    const { starts } = await played((id) => id === victim.id ? "dies" : "right");
    const rest = tasks.slice(3);
    const of = (same: boolean) =>
      rest.filter(({ chapter }) => (chapter === victim.chapter) === same).map(({ id }) => id);
    assertEquals(starts, [ids, [victim.id], of(false), of(true)].filter((put) => put.length));
  });

  it("CONFORM-4: what a dying program had not sent is put again, until only the fatal one is lost", async () => {
    for (const victim of ids) {
      const { results } = await played((id) => id === victim ? "dies" : "right", { keeps: true });
      assertEquals([by(results, "crashed"), results.length], [[victim], ids.length]);
    }
    const { starts } = await played((id) => id === ids[7] ? "dies" : "right", { keeps: true });
    assertEquals(starts.slice(0, 4), [ids, ids.slice(0, 1), ids.slice(1, 6), ids.slice(6)]);
  });

  it("CONFORM-4: the time to the first answer follows what starting took", async () => {
    const { startups } = await played((id) => id === ids[3] ? "dies" : "right", {
      timeout: 5,
      startup: 70,
    });
    // Two seconds it was; three times that, one more for each, and the time of an answer.
    assertEquals(startups.slice(0, 2), [70, 5 + 3 * (1 + 2)]);
  });

  it("CONFORM-4: a program that never answers is given up, and every case says why", async () => {
    const gone = await played(() => "is not started");
    assertEquals(gone.starts.length, 1);
    assert(gone.results.every(({ why }) => why === "the program cannot be started"));
    const many = all.slice(0, 200);
    const dead = await played(() => "dies", { put: many });
    const hung = await played(() => "hangs", { put: many });
    for (const { results, starts } of [dead, hung]) {
      assertEquals(by(results, "crashed").length, many.length);
      assert(
        results.at(-1)!.why?.startsWith(
          "the program again and again gave no answer at all; the last",
        ),
      );
      assert(starts.length < 20, String(starts.length));
    }
    assert(hung.starts.length < dead.starts.length); // waiting takes longer than dying
  });

  it("CONFORM-4: it is started again as often as is said", async () => {
    const { results, starts, oddities } = await played(
      (id) => id === ids[0] || id === ids[1] ? "dies" : "right",
      {
        restarts: 1,
      },
    );
    assertEquals([starts.length, oddities.restarts], [2, 1]);
    assertEquals(results.length, ids.length);
    const last = results.at(-1)!;
    assertEquals(
      last.why,
      "the program was started again 1 times; the last time it ended with status 3",
    );
    const enough = await played((id) => id === ids[0] ? "dies" : "right", { restarts: 9 });
    assertEquals(by(enough.results, "crashed"), [ids[0]]);
  });

  it("CONFORM-4: a second answer that differs makes the case wrong", async () => {
    const { results } = await played((id) => id === ids[4] ? "twice" : "right");
    assertEquals(by(results, "wrong"), [ids[4]]);
    const [{ where, given, units }] = results[4].differences;
    assertEquals([where, given, units], [
      "answered twice, differently",
      "passed, then wrong",
      Infinity,
    ]);
    assertEquals(results[4].units, Infinity);
  });

  it("CONFORM-6: an examination that is interrupted reports on what was put until then", async () => {
    const stop = new AbortController();
    const heard: number[] = [];
    const { results, stopped } = await played((id) => {
      if (id !== ids[5]) return "right";
      stop.abort("enough");
      return "dies";
    }, { signal: stop.signal, progress: (known, of) => heard.push(known.size, of) });
    assertEquals([results.length, stopped], [5, { left: 7, why: "enough" }]);
    assertEquals(heard, [1, 2, 3, 4, 5].flatMap((known) => [known, 12]));
    const text = report({ results, oddities: noOddities(), stopped }, noFindings);
    assert(text.endsWith("ended early (enough), 7 cases not put: so far " + verdict(results).text));
  });
});

const forwards = plain.filter(({ request, expect }) =>
  /^(RNN|LSTM|GRU)(Cell)?$|^SimpleRNN$/.test(request.module ?? "") && expect.outputs &&
  JSON.stringify(request).length < 1800
);

/** An output in plain numbers, with time first. */
interface Numbers {
  shape: number[];
  data: JsonNumber[];
}

/** A tensor put together from another's elements, by their places. */
function picked(x: Numbers, shape: number[], from: (place: number[]) => number[] | null): Numbers {
  const data: JsonNumber[] = [];
  const walk = (place: number[]): void => {
    if (place.length < shape.length) {
      for (let k = 0; k < shape[place.length]; k++) walk([...place, k]);
      return;
    }
    const own = from(place);
    data.push(own ? x.data[own.reduce((at, k, d) => at * x.shape[d] + k, 0)] : 0);
  };
  walk([]);
  return { shape, data };
}

describe("mistakes", () => {
  fact(["CONFORM-7"], "a bfloat16 is the nearest one, of two the even one", () => {
    const step = 2 ** -7; // between 1 and 2
    for (const sign of [1, -1]) {
      const wanted = [[0, 0], [0.49, 0], [0.5, 0], [0.51, 1], [1.49, 1], [1.5, 2], [2.5, 2], [
        3.5,
        4,
      ]];
      for (const [given, nearest] of wanted) {
        assertEquals(bfloat16(sign * (1 + given * step)), sign * (1 + nearest * step));
      }
      assertEquals(bfloat16(sign * Infinity), sign * Infinity);
    }
    assertEquals(bfloat16(NaN), NaN);
  });

  fact(["CONFORM-7"], "without a mistake, every forward pass is computed as PyTorch does", () => {
    let count = 0;
    for (const { id, request, expect } of forwards) {
      const own = recompute(request, {});
      if (!own) continue;
      count++;
      assertEquals([id, compare(request, expect, own).differences], [id, []]);
    }
    assert(count > 0.8 * forwards.length, `${count} of ${forwards.length}`);
  });

  /** What a mistake in the outputs makes of right ones: `D` directions, `K` layers, lengths or none. */
  type Made = (
    own: Record<"output" | "h_n" | "c_n", Numbers>,
    about: { D: number; K: number; lengths: number[] | null; T: number },
  ) => Partial<Record<"output" | "h_n" | "c_n", Numbers>> | null;
  const half = (x: Numbers, D: number) => x.shape[2] / D;
  const rows = (order: (row: number, D: number, K: number) => number): Made => (own, { D, K }) => {
    const moved = (x: Numbers) => picked(x, x.shape, ([r, n, j]) => [order(r, D, K), n, j]);
    return { h_n: moved(own.h_n), ...(own.c_n && { c_n: moved(own.c_n) }) };
  };
  const words: Record<string, Made> = {
    "halves-swapped-last": ({ output }, { D, K }) =>
      D === 2 && K > 1
        ? {
          output: picked(output, output.shape, ([t, n, j]) => [
            ...[t, n, (j + half(output, D)) % output.shape[2]],
          ]),
        }
        : null,
    "forward-for-backward-last": ({ output }, { D, K }) =>
      D === 2 && K > 1
        ? { output: picked(output, output.shape, ([t, n, j]) => [t, n, j % half(output, D)]) }
        : null,
    "halves-added-last": ({ output }, { D, K }) => {
      if (D !== 2 || K < 2) return null;
      const shape = output.shape.with(2, half(output, D));
      const [a, b] = [0, 1].map((d) =>
        picked(output, shape, ([t, n, j]) => [t, n, j + d * half(output, D)])
      );
      return { output: { shape, data: a.data.map((x, k) => Number(x) + Number(b.data[k])) } };
    },
    "backward-unreversed-last": ({ output }, { D, K, lengths, T }) =>
      D === 2 && K > 1
        ? {
          output: picked(output, output.shape, ([t, n, j]) => {
            const end = lengths?.[n] ?? T;
            return [j < half(output, D) || t >= end ? t : end - 1 - t, n, j];
          }),
        }
        : null,
    "direction-major": rows((row, D, K) => (row % K) * D + Math.floor(row / K)),
    "h-n-swapped": (own, about) =>
      about.D === 2 ? rows((row) => row % 2 ? row - 1 : row + 1)(own, about) : null,
    "layers-top-down": rows((row, D, K) => (K - 1 - Math.floor(row / D)) * D + row % D),
    "states-swapped": ({ h_n, c_n }) => c_n ? { h_n: c_n, c_n: h_n } : null,
    "h-n-from-padded-output": ({ output, h_n }, { D, K, lengths, T }) => {
      if (!lengths) return null;
      // The forward direction's last row of the last layer comes from the output's last time step.
      const last = picked(output, [1, h_n.shape[1], h_n.shape[2]], ([, n, j]) => [T - 1, n, j]);
      const row = (K - 1) * D;
      const data = [...h_n.data];
      data.splice(row * last.data.length, last.data.length, ...last.data);
      return { h_n: { shape: h_n.shape, data } };
    },
    "batch-left-sorted": (own, { lengths }) => {
      if (!lengths) return null;
      const order = [...lengths.keys()].sort((a, b) => lengths[b] - lengths[a]);
      const moved = (x: Numbers) => picked(x, x.shape, ([r, n, j]) => [r, order[n], j]);
      return Object.fromEntries(Object.entries(own).map(([name, x]) => [name, moved(x)]));
    },
  };

  const layered = forwards.filter(({ request, expect }) => {
    const { module = "", args = {}, inputs = {} } = request;
    return /^(RNN|LSTM|GRU)$/.test(module) && !args.batch_first && !args.proj_size &&
      (inputs.input as JsonTensor).shape.length === 3 && !request.training &&
      (expect.outputs!.output as JsonTensor).data.length > 0;
  });

  for (const [id, make] of Object.entries(words)) {
    fact(["CONFORM-7"], `${id} does to right outputs what it says`, () => {
      const mistake = mistakes.find((one) => one.id === id)!;
      let shown = 0;
      for (const task of layered) {
        const { request, expect } = task;
        const own = expect.outputs as Record<"output" | "h_n" | "c_n", Numbers>;
        const lengths = request.inputs!.lengths as number[] | undefined ?? null;
        const D = request.args!.bidirectional ? 2 : 1;
        const K = Number(request.args!.num_layers ?? 1);
        const change = make(own, { D, K, lengths, T: own.output.shape[0] });
        const wanted = change && { outputs: { ...own, ...change } };
        const wrong = wanted && compare(request, expect, wanted).differences.length > 0;
        const found = commit(mistake, task);
        assertEquals([task.id, found !== null], [task.id, Boolean(wrong)]);
        if (!found) continue;
        shown++;
        assertEquals([task.id, compare(request, wanted!, found).differences], [task.id, []]);
        assert(explain(task, wanted!, [mistake]).length === 1);
      }
      assert(shown > 1, `${id} shows in ${shown} cases`);
    });
  }
});
