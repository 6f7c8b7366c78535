/** Reading what a program writes in bounded memory, whatever it writes. */

/** One line. */
export interface Line {
  /** Its text, without its end; only the start of one that is too long. */
  text: string;
  /** Whether that is all of it. */
  whole: boolean;
}

/**
 * Splits a stream into lines.
 *
 * @param limit how many bytes of a line to keep; the rest of a longer one is dropped
 * @returns the lines; the last one need not have an end
 */
export async function* readLines(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  limit: number,
): AsyncGenerator<Line> {
  const decoder = new TextDecoder();
  let [pieces, size]: [Uint8Array[], number] = [[], 0];
  const take = (): Line => {
    const whole = size <= limit;
    const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const piece of pieces) {
      bytes.set(piece, at);
      at += piece.length;
    }
    [pieces, size] = [[], 0];
    return { text: decoder.decode(whole ? bytes : bytes.subarray(0, 200)), whole };
  };
  const keep = (piece: Uint8Array) => {
    if (size < limit) pieces.push(piece.slice(0, limit - size));
    size += piece.length;
  };
  while (true) {
    const { value } = await reader.read().catch(() => ({ value: undefined }));
    if (!value) break;
    let start = 0;
    for (let end; (end = value.indexOf(10, start)) >= 0; start = end + 1) {
      keep(value.subarray(start, end));
      yield take();
    }
    keep(value.subarray(start));
  }
  if (size) yield take();
}

/** The last words of a stream. */
export class Tail {
  #bytes: Uint8Array = new Uint8Array();

  /** Reads a stream to its end and keeps the last 2000 bytes. */
  async follow(stream: ReadableStream<Uint8Array>): Promise<void> {
    try {
      for await (const piece of stream) {
        const joined = new Uint8Array(this.#bytes.length + Math.min(piece.length, 2000));
        joined.set(this.#bytes);
        joined.set(piece.subarray(-2000), this.#bytes.length);
        this.#bytes = joined.slice(-2000);
      }
    } catch {
      // The stream has broken off: what was heard is what there is.
    }
  }

  /** Returns the last three lines. */
  toString(): string {
    return new TextDecoder().decode(this.#bytes).trim().split("\n").slice(-3).join(" / ");
  }
}
