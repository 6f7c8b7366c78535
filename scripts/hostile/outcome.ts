/** What came of a broken file; without the goldens, which take more memory than a reader may. */

import { CheckpointError, type TorchValue } from "../../mod.ts";

/** What came of a file. */
export interface Outcome {
  /** What it holds, where it was loaded. */
  readonly value?: TorchValue;
  /** The reason, where it was refused. */
  readonly refused?: string;
  /** What the reader may not do, where it did. */
  readonly fault?: string;
}

/** Whether a message is one line of a sensible length. */
export function isClear(message: string): boolean {
  return message.length > 10 && message.length < 600 && !message.includes("\n");
}

/** What a reader's error amounts to. */
export function refusal(error: unknown): Outcome {
  if (!(error instanceof CheckpointError)) return { fault: String((error as Error).stack) };
  const { message } = error;
  return isClear(message) ? { refused: message } : { fault: `no clear message: ${message}` };
}
