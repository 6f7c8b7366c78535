/**
 * `out = init + x Wᵀ` on weights in structs.
 *
 * Some JavaScript engines, Deno's among them, check each address that a kernel reads, with two
 * instructions more. A struct is a WebAssembly object of 48 vectors, whose fields need no check. So
 * what is read often is in structs (README.md says what that gains):
 *
 * - W: one panel by 24 features in a struct. First come the first 192 features of all panels, panel
 *   after panel, then the next 192, in the order in which they are read;
 * - where there is more than one row, 192 features of up to 6 rows of x: 6 rows by 8 features in a
 *   struct, each number in all four lanes of a vector. These are structs 0 to 23 of the table.
 *
 * The sums are those of `linear.ts`, in the same order.
 */

import {
  Assembler,
  type Code,
  during,
  type Func,
  leavable,
  leave,
  type Local,
  type Madd,
  repeat,
  when,
} from "./assembler.ts";
import * as f32x4 from "./f32x4.ts";
import * as i32 from "./i32.ts";
import * as structs from "./struct_code.ts";
import * as v128 from "./v128.ts";
import { float, ladder, panelRow, panelVectors, sumFeatures, vector } from "./linear.ts";

/** How many vectors a struct has. */
export const structFields = 48;

/** The features in a struct of W. */
export const structFeatures = structFields / panelVectors;

/** The most rows of a tile, and the features in a struct of x. */
const [tileRows, inputFeatures] = [6, 8];

/** The features that are multiplied at a time: 6 rows of x then fill 18 KiB, half a usual L1 cache. */
const chunk = sumFeatures;

/** How many structs of x there are. */
export const inputStructs = chunk / inputFeatures;

/** The panels that all rows are multiplied with at a time: 192 features of them fill 384 KiB of L2. */
const group = 64;

/** Whether the JavaScript engine has structs with vectors in them. */
export function supportsStructs(): boolean {
  const m = new Assembler(structFields);
  addStructTable(m);
  return typeof WebAssembly !== "undefined" && WebAssembly.validate(m.encode());
}

/** Code for all 24 features of a struct (`all`), and for the first k of them (`some`). */
function features(k: Local, feature: (u: number) => Code[]): { all: Code[]; some: Code } {
  const each = Array.from({ length: structFeatures }, (_, u) => feature(u));
  const some = each.slice(0, -1).flatMap((code, u) => [leave(i32.eq(k, u)), ...code]);
  return { all: each.flat(), some: leavable(some) };
}

/**
 * Repeats `all` for each whole struct of 24 features. `openNext` gets the next structs at the end of
 * the loop's body, just before its jump back: there the checks of getting a struct cost least, as
 * processors are slower right after a branch that was not taken.
 */
function overBlocks(k: Local, all: readonly Code[], openNext: readonly Code[]): Code {
  return during(i32.ge(k, structFeatures), [
    ...all,
    k.sub(structFeatures),
    when(k, openNext),
  ]);
}

/**
 * The sums of one row and of `panels` panels. One row uses each weight once, so the time is that of
 * reading the weights, which is fastest from several panels at once.
 */
function rowTile(m: Assembler, madd: Madd, panels: number): Func {
  return m.func(6, (f, x, at, step, k, init, out) => {
    const table = f.let("table", structs.table);
    const weights = f.locals("struct", panels);
    const [xv, quad] = f.locals("v128", 2);
    const next = f.local("i32");
    const sums = f.locals("v128", panels * panelVectors); // 0 at first, as all variables are
    const open = [
      next.set(at),
      ...weights.flatMap((struct) => [
        struct.set(structs.at(table, next)),
        next.add(step),
      ]),
    ];
    const { all, some } = features(k, (u) => [
      ...(u % 4 === 0 ? [quad.set(v128.load(x, u * float))] : []),
      xv.set(v128.lane(quad, u % 4)),
      ...sums.map((sum, c) => {
        const [panel, part] = [Math.floor(c / panelVectors), c % panelVectors];
        const w = structs.get(weights[panel], u * panelVectors + part);
        return sum.set(madd(w, xv, sum));
      }),
    ]);
    f.emit(
      ...open,
      overBlocks(k, all, [
        x.add(structFeatures * float),
        at.add(1),
        ...open,
      ]),
      some,
      ...sums.map((sum, c) =>
        v128.store(out, f32x4.add(v128.load(init, c * vector), sum), c * vector)
      ),
    );
  });
}

/** Puts the next k features of `rows` rows of x into the structs of x. */
function stage(m: Assembler, rows: number): Func {
  return m.func(3, (f, x, ldx, k) => {
    const table = f.let("table", structs.table);
    const struct = f.local("struct");
    const at = f.let("i32", 0);
    const xs = ladder(f, x, ldx, rows);
    const splats = Array.from(
      { length: inputFeatures },
      (_, u) => xs.map((x, r) => structs.set(struct, u * tileRows + r, v128.splat(x, u * float))),
    );
    f.emit(repeat([ // fields beyond the last feature get other numbers, which are never read
      struct.set(structs.at(table, at)),
      ...splats.flat(),
      ...xs.map((x) => x.add(inputFeatures * float)),
      at.add(1),
      k.sub(inputFeatures),
    ], i32.ge(k, 1)));
  });
}

/**
 * The sums of `rows` rows, whose features are in structs, and of one panel. Of 6 rows these are 12
 * vectors; with one feature of the panel (2) and one of x (1) they fill 15 registers.
 */
function rowsTile(m: Assembler, madd: Madd, rows: number): Func {
  return m.func(6, (f, at, k, init, ldi, out, ldo) => {
    const table = f.let("table", structs.table);
    const weights = f.local("struct");
    const inputs = f.locals("struct", structFeatures / inputFeatures);
    const from = f.let("i32", 0);
    const wv = f.locals("v128", panelVectors);
    const xv = f.local("v128");
    const sums = Array.from({ length: rows }, () => f.locals("v128", panelVectors)); // 0 at first
    const open = [
      weights.set(structs.at(table, at)),
      ...inputs.map((input, n) => input.set(structs.at(table, n === 0 ? from : i32.add(from, n)))),
    ];
    const { all, some } = features(k, (u) => {
      const [input, v] = [inputs[Math.floor(u / inputFeatures)], u % inputFeatures];
      return [
        ...wv.map((w, c) => w.set(structs.get(weights, u * panelVectors + c))),
        ...sums.flatMap((row, r) => [
          xv.set(structs.get(input, v * tileRows + r)),
          ...row.map((sum, c) => sum.set(madd(wv[c], xv, sum))),
        ]),
      ];
    });
    f.emit(
      ...open,
      overBlocks(k, all, [
        at.add(1),
        from.add(inputs.length),
        ...open,
      ]),
      some,
      ...sums.flatMap((row, r) => [
        ...row.map((sum, c) =>
          v128.store(out, f32x4.add(v128.load(init, c * vector), sum), c * vector)
        ),
        ...(r < rows - 1 ? [init.add(ldi), out.add(ldo)] : []),
      ]),
    );
  });
}

/** Sets `size` to the next part of `left`: parts of at most 6, as few and as equal as possible. */
function share(size: Local, left: Local): Code[] {
  const parts = i32.divU(i32.add(left, tileRows - 1), tileRows);
  return [size.set(parts), size.set(i32.divU(i32.sub(i32.add(left, size), 1), size))];
}

/** All panels for one row and its next k features. */
function addRow(m: Assembler, madd: Madd): Func {
  const sizes = [6, 5, 4, 1].map((panels) => ({ panels, tile: rowTile(m, madd, panels) }));
  return m.func(7, (f, x, at, step, k, panels, init, out) => {
    const size = f.local("i32");
    f.emit(during(panels, [
      ...share(size, panels),
      when(i32.ge(3, size), [size.set(1)]),
      ...sizes.map(({ panels, tile }) =>
        when(i32.eq(size, panels), [tile.call(x, at, step, k, init, out)])
      ),
      at.add(i32.mul(step, size)),
      ...[init, out].map((address) => address.add(i32.mul(size, panelRow))),
      panels.sub(size),
    ]));
  });
}

/** All panels for three rows or more and their next k features. */
function addRows(m: Assembler, madd: Madd): Func {
  const sizes = [6, 5, 4, 3].map((rows) => ({
    rows,
    stage: stage(m, rows),
    tile: rowsTile(m, madd, rows),
  }));
  return m.func(11, (f, x, ldx, rows, at, step, k, panels, init, ldi, out, ldo) => {
    const [some, left, size, panel] = f.locals("i32", 4);
    const [xr, start, to, weights, initAt, outAt] = f.locals("i32", 6);
    const oneTile = sizes.map(({ rows, stage, tile }) =>
      when(i32.eq(size, rows), [
        stage.call(xr, ldx, k),
        ...[weights.set(at), initAt.set(start), outAt.set(to), panel.set(some)],
        repeat([
          tile.call(weights, k, initAt, ldi, outAt, ldo),
          weights.add(step),
          initAt.add(panelRow),
          outAt.add(panelRow),
          panel.sub(1),
        ], panel),
      ])
    );
    const allRows = [
      ...[left.set(rows), xr.set(x), start.set(init), to.set(out)],
      repeat([
        ...share(size, left),
        ...oneTile,
        xr.add(i32.mul(ldx, size)),
        start.add(i32.mul(ldi, size)),
        to.add(i32.mul(ldo, size)),
        left.sub(size),
      ], left),
    ];
    f.emit(repeat([
      some.set(panels),
      when(i32.ge(panels, group), [some.set(group)]),
      ...allRows,
      at.add(i32.mul(step, some)),
      ...[init, out].map((address) => address.add(i32.mul(some, panelRow))),
      panels.sub(some),
    ], panels));
  });
}

/** Sets `now` to how many features come next, and `step` to how many structs they fill. */
function nextChunk(now: Local, step: Local, k: Local): Code[] {
  return [
    now.set(k),
    when(i32.ge(k, chunk), [now.set(chunk)]),
    step.set(i32.divU(i32.add(now, structFeatures - 1), structFeatures)),
  ];
}

/**
 * Adds the kernel. Its parameters: the address of x and the bytes from row to row; how many rows, but
 * not two; the number of W's first struct; how many features x has; how many panels there are; then
 * the addresses of init and of out, each with the bytes from row to row.
 */
export function addLinearByStructs(m: Assembler, madd: Madd): Func {
  const [row, rowsOf] = [addRow(m, madd), addRows(m, madd)];
  return m.func(10, (f, x, ldx, rows, at, k, panels, init, ldi, out, ldo) => {
    const [now, step] = f.locals("i32", 2);
    f.emit(repeat([
      ...nextChunk(now, step, k),
      when(
        i32.eq(rows, 1),
        [row.call(x, at, step, now, panels, init, out)],
        [rowsOf.call(x, ldx, rows, at, step, now, panels, init, ldi, out, ldo)],
      ),
      x.add(chunk * float),
      at.add(i32.mul(step, panels)),
      ...[init.set(out), ldi.set(ldo)], // the next features add to the sums of these
      k.sub(now),
    ], k));
  });
}

/** Adds what makes and fills structs: `grow`, `create` and `fill`. */
export function addStructTable(m: Assembler): void {
  // Parameters: how many structs the table has room for, and how many it shall have room for.
  m.func(2, (f, before, length) => {
    const table = f.let("table", structs.newTable(structs.create, length));
    f.emit(when(before, [structs.copy(table, structs.table, before)]), structs.setTable(table));
  }, "grow");
  m.func(2, (f, at, count) => {
    f.emit(during(count, [
      structs.put(structs.table, at, structs.create),
      at.add(1),
      count.sub(1),
    ]));
  }, "create");
  // Parameters: the number of the first struct, the address of W, its features and its panels.
  m.func(4, (f, at, w, k, panels) => {
    const stride = f.let("i32", i32.mul(k, panelRow));
    const struct = f.local("struct");
    const [now, step, panel, from, left, structsLeft] = f.locals("i32", 6);
    f.emit(repeat([
      ...nextChunk(now, step, k),
      ...[panel.set(w), left.set(panels)],
      repeat([
        ...[from.set(panel), structsLeft.set(step)],
        repeat([
          struct.set(structs.at(structs.table, at)),
          // Fields of the last struct beyond the last feature are never read.
          ...Array.from(
            { length: structFields },
            (_, n) => structs.set(struct, n, v128.load(from, n * vector)),
          ),
          from.add(structFields * vector),
          at.add(1),
          structsLeft.sub(1),
        ], structsLeft),
        panel.add(stride),
        left.sub(1),
      ], left),
      w.add(chunk * panelRow),
      k.sub(now),
    ], k));
  }, "fill");
}
