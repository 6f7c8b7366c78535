/** Chapter kernels: how threads are told what to call, and how one waits for them. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { Assembler, during } from "../../lib/kernels/assembler.ts";
import { Heap } from "../../lib/kernels/heap.ts";
import * as i32 from "../../lib/kernels/i32.ts";
import { boxBytes, Team } from "../../lib/kernels/threads.ts";
import { describe, it } from "./law.ts";

/** A module whose `tanh` counts down from its second parameter, and whose `gru` fails. */
function moduleOf(sharedPages: number): WebAssembly.Module {
  const m = new Assembler(0, sharedPages);
  m.func(2, (f, at, count) =>
    f.emit(
      during(count, [count.sub(1)]),
      i32.store(at, 7),
    ), "tanh");
  m.func(4, (f, a, b, c, d) => f.emit(i32.store(a, i32.add(b, i32.add(c, d)))), "fill");
  m.func(0, (f) => f.emit(i32.store(-4, 0)), "gru");
  return new WebAssembly.Module(m.encode());
}

describe("threads, by their memory", () => {
  if (typeof SharedArrayBuffer === "undefined") return;
  const pages = 1024;

  it("KERNEL-7: a box says what to call, and what was answered, where the list of fields says", async () => {
    assertEquals([boxBytes(1), boxBytes(3)], [64, 192]); // a cache line each
    const heap = new Heap(pages);
    const [{ at }, { at: out }] = [heap.allocate(boxBytes(2)), heap.allocate(64)];
    const modules = [moduleOf(pages), moduleOf(pages)];
    const team = await Team.start(heap.memory, at, 2, modules);
    const box = (thread: number) =>
      [...heap.integers.subarray(at / 4 + 16 * (thread - 1))]
        .slice(0, 16);
    const nothing = Array<number>(16).fill(0);
    try {
      assertEquals(team.size, 3);
      assertEquals([box(1), box(2)], [nothing, nothing]); // both are ready
      team.wait(); // for nobody
      team.call(2, 1, "fill", [out, 100, 20, 3]);
      team.wait();
      assertEquals(heap.integers[out / 4], 123);
      assertEquals(box(1), nothing);
      // One request, module 1, the eighth function; its arguments; one answer, no failure.
      assertEquals(box(2), [1, 1, 7, out, 100, 20, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
      team.call(1, 0, "gru", []);
      while (Atomics.load(heap.integers, at / 4 + 8) === 0);
      assertEquals(box(1).slice(8, 11), [1, 1, 0]);
      team.call(2, 0, "tanh", [out, 0]);
      assertThrows(() => team.wait(), Error, "a kernel failed on another thread");
      assertEquals(box(1).slice(8, 11), [1, 0, 0]); // told once
      assertEquals([heap.integers[out / 4], box(2)[0], box(2)[8]], [7, 2, 2]);
      team.wait();
    } finally {
      team.end();
    }
    // Each was asked for a module that does not exist.
    assertEquals([box(1).slice(0, 3), box(2).slice(0, 3)], [[2, -1, 0], [3, -1, 0]]);
    team.wait(); // for nobody
  });

  for (const may of [true, false]) {
    it(`KERNEL-7: this thread ${may ? "sleeps" : "looks on"} while another takes long`, async () => {
      const own = may
        ? await import("../../lib/kernels/threads.ts?sleeps")
        : await import("../../lib/kernels/threads.ts?looks");
      const heap = new Heap(pages);
      const [{ at }, { at: out }] = [heap.allocate(boxBytes(1)), heap.allocate(64)];
      const team = await own.Team.start(heap.memory, at, 1, [moduleOf(pages)]);
      const { wait } = Atomics;
      const asked: number[] = [];
      Atomics.wait = ((array: Int32Array<SharedArrayBuffer>, index: number, value: number) => {
        asked.push(array.length);
        if (!may) throw new TypeError("this thread may not (a test)");
        return wait(array, index, value);
      }) as typeof wait;
      try {
        for (let twice = 0; twice < 2; twice++) {
          team.call(1, 0, "tanh", [out, 2 ** 28]);
          team.wait();
          assertEquals(heap.integers[out / 4], 7);
        }
      } finally {
        Atomics.wait = wait;
        team.end();
      }
      // It is tried once, on an array of its own; then, where that works, on the box.
      assertEquals(asked[0], 1);
      const boxes = asked.slice(1);
      assert(boxes.every((length) => length === 16));
      assertEquals(boxes.length > 0, may);
    });
  }
});
