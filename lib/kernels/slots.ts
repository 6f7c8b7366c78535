/**
 * What a kernel is told: the one list of all slots, each an integer in the kernels' memory, and the
 * one way to write them.
 *
 * A record of slots is the work of one direction of one layer over some steps in time. Its weights
 * are filled in when they are packed (`packing.ts`); where input, states and output lie is filled in
 * for each pass (`shard.ts`), or once for a stream (`stepper.ts`). `sequence.ts` reads them.
 *
 * Units: an *address* counts bytes from the start of the memory, a *distance* bytes from one row or
 * step to the next. *Structs* is the number of the first struct of a matrix in the table of structs
 * (`struct_table.ts`), 0 where the matrix is in no structs. A *panel* is 8 outputs wide.
 */

/**
 * The cells that there are kernels for.
 * @category Recurrent layers
 */
export type CellKind = "tanh" | "relu" | "lstm" | "gru";

/** All of them. */
export const kinds: readonly CellKind[] = ["tanh", "relu", "lstm", "gru"];

/** The names of all slots, in the order in which they lie. */
const names = [
  // The input x of all these steps. Where rows of a step lie apart, they are read in several runs.
  "x", // address of the first row
  "xRow", // distance from row to row within a run
  "xRows", // count of rows in a run
  "xRuns", // count of runs
  "xRun", // distance from run to run
  "features", // count of features of x, H_in of this layer
  // W_ih of all gates, and the sums that start from the bias and gain W_ih x.
  "input", // address of W_ih in panels
  "inputStructs", // structs of W_ih
  "bias", // address of the bias that each row of sums starts from
  "panels", // count of panels of all gates
  "inputSums", // address of the first row of sums; the rows follow each other
  // The steps.
  "steps", // count of steps
  "reverse", // 1 where time runs from the last step to the first, else 0
  "batches", // address of the count of rows at the first step; 0 where all steps have `rows`
  "rows", // count of rows at each step
  "sums", // address of the sums of the first step's first row
  "sumsRow", // distance from row to row
  "sumsStep", // distance from step to step, where all steps have `rows`
  "width", // distance from gate to gate within a row of sums
  // The state, which each step replaces.
  "h", // address of h of the first row
  "hRow", // distance from row to row
  "c", // address of c of the first row, in an LSTM
  "cRow", // distance from row to row
  // W_hh of all gates; in a GRU of r and z, for n multiplies W_hn h + b_hn by r.
  "w", // address of W_hh in panels
  "wStructs", // structs of W_hh
  "k", // count of features of h
  "wPanels", // count of panels
  "newW", // address of W_hn in panels
  "newStructs", // structs of W_hn
  "newBias", // address of b_hn
  "newSums", // address of W_hn h + b_hn of the first row; the rows follow each other
  "newPanels", // count of panels of W_hn
  // The projection of an LSTM.
  "projection", // address of W_hr in panels; 0 where there is none
  "projectionStructs", // structs of W_hr
  "full", // address of h of the first row before the projection; the rows follow each other
  "fullK", // count of its features, H
  "zero", // address of zeros that the projection's sums start from
  // The output.
  "out", // address of h of the first row at the first step, or 0 for no output
  "outRow", // distance from row to row
  "outStep", // distance from step to step, where all steps have `rows`
  "outBytes", // bytes of h in a row
] as const;

/** The name of a slot. */
export type SlotName = typeof names[number];

/** How many slots a record has. */
export const slotCount = names.length;

/** The number of each slot in a record. */
export const slotOf = Object.fromEntries(
  names.map((name, k) => [name, k]),
) as Record<SlotName, number>;

/** A record of slots in the memory: a property for each slot, to read and to write. */
export type Slots = { -readonly [K in SlotName]: number } & {
  /** Where the record is, counted in integers. */
  at: number;
};

class SlotRecord {
  readonly integers: Int32Array;
  at: number;

  constructor(integers: Int32Array, at: number) {
    this.integers = integers;
    this.at = at;
  }
}

names.forEach((name, k) =>
  Object.defineProperty(SlotRecord.prototype, name, {
    get(this: SlotRecord): number {
      return this.integers[this.at + k];
    },
    set(this: SlotRecord, value: number) {
      this.integers[this.at + k] = value;
    },
  })
);

/** The record at an address; valid until the memory grows. */
export function slotsAt(integers: Int32Array, address: number): Slots {
  return new SlotRecord(integers, address / 4) as unknown as Slots;
}
