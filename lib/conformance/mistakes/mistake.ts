/**
 * What a known porting mistake is.
 *
 * @module
 */

import type { Answer } from "../pair.ts";
import type { Task } from "../cases.ts";
import type { Deviation } from "../variant.ts";

/** A mistake known from ports of recurrent layers. */
export interface Mistake {
  /** Its name, in short. */
  id: string;
  /** What is done otherwise, to follow "matches PyTorch if". */
  says: string;
  /** How to compute with the mistake. */
  deviation?: Deviation;
  /** How to know it from the answer alone, where it cannot be recomputed. */
  recognise?: (task: Task, answer: Answer) => boolean;
  /** Whether it is vague, and so only worth saying where nothing else explains the answer. */
  vague?: boolean;
}
