/** The layer that gives each word of a vocabulary a vector. */

import { any, check, checkCount, dtype as dtypeKind } from "../call.ts";
import {
  embedding,
  type EmbeddingArguments,
  embeddingArguments,
  paddingRow,
} from "../autograd/embedding.ts";
import { normal } from "../random/distributions.ts";
import { allocateSize } from "../tensor/create.ts";
import type { FloatDType } from "../tensor/dtype.ts";
import { countChange, Tensor } from "../tensor/tensor.ts";
import { Module } from "./module.ts";
import { Parameter } from "./parameter.ts";

/**
 * The arguments of {@linkcode Embedding} that have defaults.
 * @category Modules
 */
export interface EmbeddingOptions extends EmbeddingArguments {
  /** The type of the table's elements. @default "float32" */
  readonly dtype?: FloatDType;
}

/**
 * Rows of a table by their numbers (`torch.nn.Embedding`; specification, EMBED-1 and EMBED-2).
 *
 * Parameter: `weight` of shape `(num_embeddings, embedding_dim)`, drawn from the standard normal
 * distribution; the row of the padding is 0.
 *
 * @example
 * ```ts
 * import { Embedding, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const words = new Embedding(1000, 8, { paddingIdx: 0 });
 * assertEquals(String(words), "Embedding(1000, 8, padding_idx=0)");
 * const batch = tensor([[5, 2, 7], [9, 0, 0]], { dtype: "int64" }); // (N, L)
 * assertEquals(words.forward(batch).shape, [2, 3, 8]); // (N, L, H)
 * ```
 * @category Modules
 */
export class Embedding extends Module {
  /** V, how many rows the table has. */
  readonly numEmbeddings: number;
  /** H, the size of a row. */
  readonly embeddingDim: number;
  /** The row of the padding, counted from 0, or `null`. */
  readonly paddingIdx: number | null;
  /** The table, of shape `(num_embeddings, embedding_dim)`. */
  declare weight: Parameter;

  /**
   * Draws the table from the default generator.
   *
   * @param numEmbeddings V, how many rows the table has
   * @param embeddingDim H, the size of a row
   * @param options the row of the padding, and the dtype
   * @throws {RuntimeError} if a size is negative
   * @throws {TypeError} if a size is not an integer
   * @throws {AssertionError} if the padding is no row
   */
  constructor(numEmbeddings: number, embeddingDim: number, options: EmbeddingOptions = {}) {
    super();
    check([
      "Embedding",
      { numEmbeddings: any, embeddingDim: any },
      { ...embeddingArguments, dtype: dtypeKind },
    ], arguments);
    const { paddingIdx = null, dtype = "float32" } = options;
    const row = paddingRow(paddingIdx, numEmbeddings);
    const size = [numEmbeddings, embeddingDim];
    const data = allocateSize("empty", size, dtype);
    this.numEmbeddings = numEmbeddings;
    this.embeddingDim = embeddingDim;
    this.paddingIdx = row;
    normal(data, 0, 1);
    const weight = new Parameter(new Tensor(data, size));
    countChange(this.registerParameter("weight", weight)); // as Linear's parameters are drawn
    if (row === null) return;
    data.fill(0, row * embeddingDim, (row + 1) * embeddingDim);
    countChange(weight);
  }

  /**
   * Looks the rows up.
   *
   * @param input their numbers, an int64 tensor of any shape `(*)`
   * @returns shape `(*, embedding_dim)`
   * @throws {IndexError} if there is no such row
   * @throws {RuntimeError} if the input is not int64
   */
  override forward(input: Tensor): Tensor {
    checkCount("Embedding.forward", 1, arguments);
    return embedding(input, this.weight, { paddingIdx: this.paddingIdx });
  }

  /** Returns `Embedding`. */
  protected override getName(): string {
    return "Embedding";
  }

  /** Returns the arguments as PyTorch prints them. */
  protected override extraRepr(): string {
    const padding = this.paddingIdx === null ? "" : `, padding_idx=${this.paddingIdx}`;
    return `${this.numEmbeddings}, ${this.embeddingDim}${padding}`;
  }
}
