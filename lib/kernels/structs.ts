/**
 * `out = init + x Wᵀ` on weights in structs.
 *
 * Some engines, Deno's among them, check each access to memory, at the cost of two instructions
 * more. A struct is an object of 48 vectors, and the fields of an object need no check. So what is
 * read over and over is kept in structs:
 *
 * - W, one panel by 24 features in a struct; first come the first 192 features of all panels, panel
 *   after panel, then the next 192, so that what is read together lies together;
 * - for more than one row, some of x, 6 rows by 8 features in a struct, every number in all four
 *   lanes of a vector: structs 0 to 23 of the table.
 *
 * The sums are those of `linear.ts`, in the same order.
 *
 * @module
 */

import {
  Assembler,
  type Code,
  during,
  type Func,
  i32,
  leavable,
  leave,
  type Local,
  type Madd,
  repeat,
  structs,
  v128,
  when,
} from "./assembler.ts";
import { float, ladder, panelRow, panelVectors, vector } from "./linear.ts";

/** How many vectors a struct has. */
export const structFields = 48;

/** The features in a struct of W. */
export const structFeatures = structFields / panelVectors;

/** The most rows of a tile, and the features in a struct of x. */
const [tileRows, inputFeatures] = [6, 8];

/** The features that are taken at a time: x then fills half of a usual first-level cache. */
const chunk = 8 * structFeatures;

/** How many structs of x there are. */
export const inputStructs = chunk / inputFeatures;

/** So many panels at a time meet all rows: what they take of W stays in a second-level cache. */
const group = 64;

/** Whether an engine knows objects, and vectors in them. */
export function supportsStructs(): boolean {
  const m = new Assembler(structFields);
  addStructTable(m);
  return typeof WebAssembly !== "undefined" && WebAssembly.validate(m.encode());
}

/** The code of the features 0 to 23 of a struct of W, and of fewer, when k is less than 24. */
function features(k: Local, feature: (u: number) => Code[]): { all: Code[]; some: Code } {
  const each = Array.from({ length: structFeatures }, (_, u) => feature(u));
  const some = each.slice(0, -1).flatMap((code, u) => [leave(i32.eq(k, u)), ...code]);
  return { all: each.flat(), some: leavable(some) };
}

/**
 * Whole structs, as long as k has 24 features more; what follows is opened at the end of each. There
 * the checks of doing so stand before a jump that is taken: processors fetch code after a branch
 * that is not taken up to half as fast, until they jump.
 */
function overBlocks(k: Local, all: readonly Code[], openNext: readonly Code[]): Code {
  return during(i32.ge(k, structFeatures), [
    ...all,
    k.set(i32.sub(k, structFeatures)),
    when(k, openNext),
  ]);
}

/**
 * A single row and so many panels side by side. A single row uses every weight once, so all that
 * counts is how fast weights come in; they come in best from several places at once.
 */
function rowTile(m: Assembler, madd: Madd, panels: number): Func {
  return m.func(6, (f, x, at, step, k, init, out) => {
    const table = f.let("table", structs.table);
    const weights = f.locals("struct", panels);
    const [xv, quad] = f.locals("v128", 2);
    const next = f.local("i32");
    const sums = Array.from(
      { length: panels * panelVectors },
      (_, c) => f.let("v128", v128.load(init, c * vector)),
    );
    const open = [
      next.set(at),
      ...weights.flatMap((struct) => [
        struct.set(structs.at(table, next)),
        next.set(i32.add(next, step)),
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
        x.set(i32.add(x, structFeatures * float)),
        at.set(i32.add(at, 1)),
        ...open,
      ]),
      some,
      ...sums.map((sum, c) => v128.store(out, sum, c * vector)),
    );
  });
}

/** Puts some features of so many rows of x into its structs. */
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
    f.emit(repeat([ // beyond the last feature, structs hold what is never read
      struct.set(structs.at(table, at)),
      ...splats.flat(),
      ...xs.map((x) => x.set(i32.add(x, inputFeatures * float))),
      at.set(i32.add(at, 1)),
      k.set(i32.sub(k, inputFeatures)),
    ], i32.ge(k, 1)));
  });
}

/**
 * So many rows, whose features are in structs, and one panel. The sums, one row of the panel and a
 * feature of x fill the 15 registers there are.
 */
function rowsTile(m: Assembler, madd: Madd, rows: number): Func {
  return m.func(6, (f, at, k, init, ldi, out, ldo) => {
    const table = f.let("table", structs.table);
    const weights = f.local("struct");
    const inputs = f.locals("struct", structFeatures / inputFeatures);
    const from = f.let("i32", 0);
    const wv = f.locals("v128", panelVectors);
    const xv = f.local("v128");
    const sums = ladder(f, init, ldi, rows).map((row) =>
      wv.map((_, c) => f.let("v128", v128.load(row, c * vector)))
    );
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
        at.set(i32.add(at, 1)),
        from.set(i32.add(from, inputs.length)),
        ...open,
      ]),
      some,
      ...ladder(f, out, ldo, rows).flatMap((row, r) =>
        sums[r].map((sum, c) => v128.store(row, sum, c * vector))
      ),
    );
  });
}

/** Sets `size` so that as few parts as can be, none of more than 6, are as equal as can be. */
function share(size: Local, left: Local): Code[] {
  const parts = i32.divU(i32.add(left, tileRows - 1), tileRows);
  return [size.set(parts), size.set(i32.divU(i32.sub(i32.add(left, size), 1), size))];
}

/** A single row and some of its features. */
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
      at.set(i32.add(at, i32.mul(step, size))),
      ...[init, out].map((address) => address.set(i32.add(address, i32.mul(size, panelRow)))),
      panels.set(i32.sub(panels, size)),
    ]));
  });
}

/** Three rows or more and some of their features. */
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
          weights.set(i32.add(weights, step)),
          initAt.set(i32.add(initAt, panelRow)),
          outAt.set(i32.add(outAt, panelRow)),
          panel.set(i32.sub(panel, 1)),
        ], panel),
      ])
    );
    const allRows = [
      ...[left.set(rows), xr.set(x), start.set(init), to.set(out)],
      repeat([
        ...share(size, left),
        ...oneTile,
        xr.set(i32.add(xr, i32.mul(ldx, size))),
        start.set(i32.add(start, i32.mul(ldi, size))),
        to.set(i32.add(to, i32.mul(ldo, size))),
        left.set(i32.sub(left, size)),
      ], left),
    ];
    f.emit(repeat([
      some.set(panels),
      when(i32.ge(panels, group), [some.set(group)]),
      ...allRows,
      at.set(i32.add(at, i32.mul(step, some))),
      ...[init, out].map((address) => address.set(i32.add(address, i32.mul(some, panelRow)))),
      panels.set(i32.sub(panels, some)),
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
 * Adds the kernel. Its parameters: the address of x and the bytes from row to row; how many rows,
 * but not two; where W's structs begin in the table; how many features x has; how many panels there
 * are; then where sums start and where they end up, each an address and the bytes from row to row.
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
      x.set(i32.add(x, chunk * float)),
      at.set(i32.add(at, i32.mul(step, panels))),
      ...[init.set(out), ldi.set(ldo)], // later features add to what is there
      k.set(i32.sub(k, now)),
    ], k));
  });
}

/** Adds what makes and fills structs: `grow`, `create` and `fill`. */
export function addStructTable(m: Assembler): void {
  // How many structs there were room for, and how many there shall be.
  m.func(2, (f, before, length) => {
    const table = f.let("table", structs.newTable(structs.create, length));
    f.emit(when(before, [structs.copy(table, structs.table, before)]), structs.setTable(table));
  }, "grow");
  m.func(2, (f, at, count) => {
    f.emit(during(count, [
      structs.put(structs.table, at, structs.create),
      at.set(i32.add(at, 1)),
      count.set(i32.sub(count, 1)),
    ]));
  }, "create");
  // Structs from `at` on, from so many panels of W with so many features.
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
          // What the last struct has beyond the last feature is never read.
          ...Array.from(
            { length: structFields },
            (_, n) => structs.set(struct, n, v128.load(from, n * vector)),
          ),
          from.set(i32.add(from, structFields * vector)),
          at.set(i32.add(at, 1)),
          structsLeft.set(i32.sub(structsLeft, 1)),
        ], structsLeft),
        panel.set(i32.add(panel, stride)),
        left.set(i32.sub(left, 1)),
      ], left),
      w.set(i32.add(w, chunk * panelRow)),
      k.set(i32.sub(k, now)),
    ], k));
  }, "fill");
}
