/** What a known porting mistake is. */

import type { Task } from "../cases.ts";
import type { Answer, Request } from "../pair.ts";
import type { Deviation } from "../variant.ts";

/** Output tensors by name. */
export type Outputs = NonNullable<Answer["outputs"]>;

/** A mistake known from ports of recurrent layers; it has one of three ways to know it, or two. */
export interface Mistake {
  /** Its name, in short. */
  id: string;
  /** What is done otherwise, to follow "matches PyTorch if". */
  says: string;
  /** How to compute with the mistake. */
  deviation?: Deviation;
  /** How to make the wrong outputs of the right ones; `null` where it does not apply. */
  restate?: (outputs: Outputs, request: Request) => Outputs | null;
  /** How to know it from the answer alone, where it cannot be recomputed. */
  recognise?: (task: Task, answer: Answer) => boolean;
  /** Whether it is recognised where another mistake has been made first, too. */
  besides?: boolean;
  /** The two that it consists of, in their order. */
  parts?: readonly [Mistake, Mistake];
  /** Whether it is vague, and so only worth saying where nothing else explains the answer. */
  vague?: boolean;
}
