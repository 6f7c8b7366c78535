/**
 * The kernel under every layer: `out = init + x Wᵀ`, for any number of rows.
 *
 * Every element is one sum, started from `init` and carried through the features of x in order, in
 * a lane of its own. So no result depends on how many rows there are or which tile took them, and
 * a batch, a packed batch, a sequence cut in two and a stream give the same bits.
 *
 * W lies in panels of 12 outputs, `[panel][k][12]`; the last panel is as narrow as the outputs
 * left over, 4 or 8. A tile holds the sums of a few rows and one panel in registers.
 *
 * @module
 */

import {
  type Assembler,
  type Code,
  during,
  type Func,
  i32,
  type Local,
  type Madd,
  repeat,
  v128,
  when,
} from "./assembler.ts";

/** How many outputs a panel of W has. */
export const panelWidth = 12;

/** The most vectors of four outputs in a panel. */
const widest = panelWidth / 4;

/** The bytes of a float, and of a vector of four. */
const [float, vector] = [4, 16];

/**
 * A tile: the sums of `rows` rows and of `panels` panels side by side, each of `width` vectors.
 *
 * Engines that check the bounds of every access, such as Deno, spend more on a load than on a
 * multiplication, so a tile is as large as 15 registers allow, and a single row is read four
 * features at a time.
 */
function tile(m: Assembler, madd: Madd, rows: number, panels: number, width: number): Func {
  const columns = panels * width;
  return m.func(9, (f, x, ldx, w, stride, k, init, ldi, out, ldo) => {
    const ladder = (first: Local, step: Local, count: number) => {
      const steps = [first];
      while (steps.length < count) steps.push(f.let("i32", i32.add(steps.at(-1)!, step)));
      return steps;
    };
    const xs = ladder(x, ldx, rows);
    const ws = ladder(w, stride, panels);
    const sums = ladder(init, ldi, rows).map((from) =>
      Array.from({ length: columns }, (_, c) => f.let("v128", v128.load(from, c * vector)))
    );
    const xv = f.locals("v128", rows);
    const wv = f.locals("v128", columns);
    const quad = f.local("v128");

    const loadW = (c: number, u: number) => {
      const offset = (u * width + (c % width)) * vector;
      return wv[c].set(v128.load(ws[Math.floor(c / width)], offset));
    };
    const addTo = (r: number, c: number) => sums[r][c].set(madd(wv[c], xv[r], sums[r][c]));
    const all = sums[0].map((_, c) => c);
    /** Features of x of which each is held while W passes by: best where W is used once or twice. */
    const holdX = (u: number, read: (r: number) => Code): Code[] => [
      ...xs.map((_, r) => xv[r].set(read(r))),
      ...all.flatMap((c) => [loadW(c, u), ...xs.map((_, r) => addTo(r, c))]),
    ];
    /** A panel's row of W is held while the rows of x pass by. */
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
        ...xs.map((x) => x.set(i32.add(x, unroll * float))),
        ...ws.map((w) => w.set(i32.add(w, unroll * width * vector))),
        k.set(i32.sub(k, unroll)),
      ]);
    if (rows === 1) {
      const four = [0, 1, 2, 3].flatMap((u) => holdX(u, () => v128.lane(quad, u)));
      f.emit(loop(4, [quad.set(v128.load(x)), ...four]));
    } else {
      f.emit(loop(2, [...one(0), ...one(1)]));
    }
    f.emit(loop(1, one(0)));

    ladder(out, ldo, rows).forEach((to, r) =>
      sums[r].forEach((sum, c) => f.emit(v128.store(to, sum, c * vector)))
    );
  });
}

/**
 * Adds the kernel to a module, exported as `linear`. Its parameters: the address of x and the
 * bytes from row to row; how many rows; W; how many features x has; how many vectors of four
 * outputs there are; then where sums start and where they end up, each an address and the bytes
 * from row to row.
 */
export function addLinear(m: Assembler, madd: Madd): Func {
  // For so many rows at a time, so many panels side by side, widest first.
  const plans: [number, number[]][] = [[4, [1]], [3, [1]], [2, [2, 1]], [1, [4, 1]]];
  const tiles = plans.map(([rows, panels]) => ({
    rows,
    wide: panels.map((count) => ({ count, tile: tile(m, madd, rows, count, widest) })),
    narrow: [2, 1].map((width) => ({ width, tile: tile(m, madd, rows, 1, width) })),
  }));
  return m.func(10, (f, x, ldx, rows, w, k, vectors, init, ldi, out, ldo) => {
    const stride = f.let("i32", i32.mul(k, widest * vector));
    const [panel, left, xr, from, to, tilesLeft] = f.locals("i32", 6);
    const [initAt, outAt] = f.locals("i32", 2);
    for (const { rows: size, wide, narrow } of tiles) {
      // All full tiles of four rows; then what is left is one tile of three, two or one.
      const rowTiles = (tile: Func): Code[] => {
        const call = (x: Local, init: Local, out: Local) =>
          tile.call(x, ldx, panel, stride, k, init, ldi, out, ldo);
        if (size < 4) return [call(x, initAt, outAt)];
        return [
          ...[xr.set(x), from.set(initAt), to.set(outAt), tilesLeft.set(i32.shrU(rows, 2))],
          repeat([
            call(xr, from, to),
            xr.set(i32.add(xr, i32.shl(ldx, 2))),
            from.set(i32.add(from, i32.shl(ldi, 2))),
            to.set(i32.add(to, i32.shl(ldo, 2))),
            tilesLeft.set(i32.sub(tilesLeft, 1)),
          ], tilesLeft),
        ];
      };
      const columns = [
        ...[panel.set(w), left.set(vectors), initAt.set(init), outAt.set(out)],
        ...wide.map(({ count, tile }) =>
          during(i32.ge(left, count * widest), [
            ...rowTiles(tile),
            panel.set(i32.add(panel, i32.mul(stride, count))),
            initAt.set(i32.add(initAt, count * widest * vector)),
            outAt.set(i32.add(outAt, count * widest * vector)),
            left.set(i32.sub(left, count * widest)),
          ])
        ),
        ...narrow.map(({ width, tile }) => when(i32.eq(left, width), rowTiles(tile))),
      ];
      if (size === 4) {
        const done = i32.and(rows, -4);
        f.emit(when(i32.ge(rows, 4), [
          ...columns,
          x.set(i32.add(x, i32.mul(ldx, done))),
          init.set(i32.add(init, i32.mul(ldi, done))),
          out.set(i32.add(out, i32.mul(ldo, done))),
          rows.set(i32.and(rows, 3)),
        ]));
      } else {
        f.emit(when(i32.eq(rows, size), columns));
      }
    }
  }, "linear");
}
