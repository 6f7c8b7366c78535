/**
 * The kernel under every layer: `out = init + x Wᵀ`, for any number of rows.
 *
 * Each element of `out` is `init` and one sum for each 192 features of x, added in order; each sum
 * starts from 0 and adds its features in order, in one lane of a vector (KERNEL-4). So no result
 * depends on how many rows there are or which tile computed them, and a batch, a packed batch, a
 * sequence cut in two and a stream give the same bits.
 *
 * W lies in panels of 8 outputs, `[panel][feature][8]`. A tile holds the sums of a few rows and
 * panels in registers. Where W is in structs, too, `structs.ts` has quicker tiles.
 */

import {
  type Assembler,
  type Code,
  during,
  type Func,
  type Local,
  type Madd,
  repeat,
  when,
} from "./assembler.ts";
import * as f32x4 from "./f32x4.ts";
import * as i32 from "./i32.ts";
import * as v128 from "./v128.ts";

/** How many outputs a panel of W has. */
export const panelWidth = 8;

/** The vectors of four outputs in a panel. */
export const panelVectors = panelWidth / 4;

/** The bytes of a float, of a vector of four, and of a panel from one feature to the next. */
export const [float, vector, panelRow] = [4, 16, 4 * panelWidth];

/**
 * How many features are summed from 0 before the sum is added to others: short sums round less. With
 * structs, these features of 6 rows of x fill half of a usual first-level cache.
 */
export const sumFeatures = 192;

/** Local variables for `count` addresses: `first`, and each next one `step` bytes further. */
export function ladder(f: Func, first: Local, step: Local, count: number): Local[] {
  const steps = [first];
  while (steps.length < count) steps.push(f.let("i32", i32.add(steps.at(-1)!, step)));
  return steps;
}

/** A tile: the sums of `rows` rows and of `panels` panels side by side. */
function tile(m: Assembler, madd: Madd, rows: number, panels: number): Func {
  const columns = panels * panelVectors;
  return m.func(9, (f, x, ldx, w, stride, k, init, ldi, out, ldo) => {
    const xs = ladder(f, x, ldx, rows);
    const ws = ladder(f, w, stride, panels);
    const sums = Array.from({ length: rows }, () => f.locals("v128", columns)); // 0 at first
    const xv = f.locals("v128", rows);
    const wv = f.locals("v128", columns);

    const loadW = (c: number, u: number) => {
      const offset = u * panelRow + (c % panelVectors) * vector;
      return wv[c].set(v128.load(ws[Math.floor(c / panelVectors)], offset));
    };
    const addTo = (r: number, c: number) => sums[r][c].set(madd(wv[c], xv[r], sums[r][c]));
    const all = sums[0].map((_, c) => c);
    /** Loads one feature of each row, then each vector of W: best for one or two rows. */
    const holdX = (u: number, read: (r: number) => Code<"v128">): Code[] => [
      ...xs.map((_, r) => xv[r].set(read(r))),
      ...all.flatMap((c) => [loadW(c, u), ...xs.map((_, r) => addTo(r, c))]),
    ];
    /** Loads one feature of W for all panels, then x row by row: best for more rows. */
    const holdW = (u: number): Code[] => [
      ...all.map((c) => loadW(c, u)),
      ...xs.flatMap((x, r) => [
        xv[r].set(v128.splat(x, u * float)),
        ...all.map((c) => addTo(r, c)),
      ]),
    ];
    const one = (u: number) => rows <= 2 ? holdX(u, (r) => v128.splat(xs[r], u * float)) : holdW(u);
    const loop = (unroll: number, features: Code[]) =>
      during(i32.ge(k, unroll), [
        ...features,
        ...xs.map((x) => x.add(unroll * float)),
        ...ws.map((w) => w.add(unroll * panelRow)),
        k.sub(unroll),
      ]);
    if (rows === 1) { // one load of x for four features
      const quad = f.local("v128");
      const four = [0, 1, 2, 3].flatMap((u) => holdX(u, () => v128.lane(quad, u)));
      f.emit(loop(4, [quad.set(v128.load(x)), ...four]));
    } else {
      f.emit(loop(2, [...one(0), ...one(1)]));
    }
    f.emit(loop(1, one(0)));

    sums.forEach((row, r) => {
      f.emit(
        ...row.map((sum, c) =>
          v128.store(out, f32x4.add(v128.load(init, c * vector), sum), c * vector)
        ),
      );
      if (r < rows - 1) f.emit(init.add(ldi), out.add(ldo));
    });
  });
}

/**
 * Adds the kernel to a module, exported as `linear`. Its parameters: the address of x and the
 * bytes from row to row; how many rows; the address of W in panels; the number of W's first struct, 0
 * if there are none; how many features x has; how many panels there are; then the addresses of init
 * and of out, each with the bytes from row to row.
 *
 * @param byStructs the same on structs, with the same parameters but for the panels; not for two rows
 */
export function addLinear(m: Assembler, madd: Madd, byStructs: Func | null): Func {
  // The tiles there are: their rows, and how many panels wide they are, widest first.
  const plans: [number, number[]][] = [[4, [1]], [3, [1]], [2, [2, 1]], [1, [4, 1]]];
  const tiles = plans.map(([rows, panels]) => ({
    rows,
    wide: panels.map((count) => ({ count, tile: tile(m, madd, rows, count) })),
  }));
  const some = m.func(11, (f, x, ldx, rows, w, stride, k, panels, init, ldi, out, ldo) => {
    const [panel, left, xr, from, to, tilesLeft] = f.locals("i32", 6);
    const [initAt, outAt] = f.locals("i32", 2);
    const onPanels = tiles.map(({ rows: size, wide }) => {
      // As many tiles of four rows as there are; the rows left are one tile of three, two or one.
      const rowTiles = (tile: Func): Code[] => {
        const call = (x: Local, init: Local, out: Local) =>
          tile.call(x, ldx, panel, stride, k, init, ldi, out, ldo);
        if (size < 4) return [call(x, initAt, outAt)];
        return [
          ...[xr.set(x), from.set(initAt), to.set(outAt), tilesLeft.set(i32.shrU(rows, 2))],
          repeat([
            call(xr, from, to),
            xr.add(i32.shl(ldx, 2)),
            from.add(i32.shl(ldi, 2)),
            to.add(i32.shl(ldo, 2)),
            tilesLeft.sub(1),
          ], tilesLeft),
        ];
      };
      const columns = [
        ...[panel.set(w), left.set(panels), initAt.set(init), outAt.set(out)],
        ...wide.map(({ count, tile }) =>
          during(i32.ge(left, count), [
            ...rowTiles(tile),
            panel.add(i32.mul(stride, count)),
            initAt.add(count * panelRow),
            outAt.add(count * panelRow),
            left.sub(count),
          ])
        ),
      ];
      if (size < 4) return when(i32.eq(rows, size), columns);
      const done = i32.and(rows, -4);
      return when(i32.ge(rows, 4), [
        ...columns,
        x.add(i32.mul(ldx, done)),
        init.add(i32.mul(ldi, done)),
        out.add(i32.mul(ldo, done)),
        rows.set(i32.and(rows, 3)),
      ]);
    });
    f.emit(...onPanels);
  });
  return m.func(11, (f, x, ldx, rows, w, at, k, panels, init, ldi, out, ldo) => {
    const stride = f.let("i32", i32.mul(k, panelRow));
    const now = f.local("i32");
    const onPanels = repeat([
      now.set(k),
      when(i32.ge(k, sumFeatures), [now.set(sumFeatures)]),
      some.call(x, ldx, rows, w, stride, now, panels, init, ldi, out, ldo),
      x.add(sumFeatures * float),
      w.add(sumFeatures * panelRow),
      ...[init.set(out), ldi.set(ldo)], // later features add to what is there
      k.sub(now),
    ], k);
    if (byStructs === null) f.emit(onPanels);
    else {
      f.emit(
        when(i32.eq(rows, 2), [at.set(0)]),
        when(at, [byStructs.call(x, ldx, rows, at, k, panels, init, ldi, out, ldo)], [onPanels]),
      );
    }
  }, "linear");
}
