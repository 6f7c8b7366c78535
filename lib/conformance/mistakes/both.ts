/** Two mistakes in one computation. */

import type { Task } from "../cases.ts";
import { compare } from "../compare.ts";
import type { Answer } from "../pair.ts";
import { type Deviation, recompute } from "../variant.ts";
import type { Mistake } from "./mistake.ts";

/** Whether an answer is as right as another. */
export function agree(task: Task, wanted: Answer, given: Answer): boolean {
  return compare(task.request, wanted, given).differences.length === 0;
}

type Change<Rest extends unknown[], T> = (value: T, ...rest: Rest) => T | null;

/** One change after the other; `null` where either does not apply. */
function then<Rest extends unknown[], T>(
  first: Change<Rest, T> | undefined,
  second: Change<Rest, T> | undefined,
): Change<Rest, T> | undefined {
  if (!first || !second) return first ?? second;
  return (value, ...rest) => {
    const between = first(value, ...rest);
    return between === null ? null : second(between, ...rest);
  };
}

/** The steps of both; `null` where both change the same thing in it. */
function equations(
  a: Deviation["equation"],
  b: Deviation["equation"],
): Deviation["equation"] | null {
  if (!a || !b) return a ?? b;
  if (Object.keys(a.options).some((key) => key in b.options)) return null;
  const kinds = a.kinds.filter((kind) => b.kinds.includes(kind));
  return kinds.length ? { kinds, options: { ...a.options, ...b.options } } : null;
}

function deviations(a: Deviation, b: Deviation): Deviation | null {
  const equation = equations(a.equation, b.equation);
  if (equation === null) return null;
  if (Boolean(a.linear) !== Boolean(b.linear)) return null; // no module is a Linear and recurrent
  if (a.readsPadding && b.readsPadding || a.reads && b.reads) return null;
  const { linear: first, ...rest } = a;
  const second = b.linear;
  return {
    ...rest,
    ...b,
    equation,
    setting: then(a.setting, b.setting),
    parameters: then(a.parameters, b.parameters),
    layer: then(a.layer, b.layer),
    outputs: then(a.outputs, b.outputs),
    linear: first && second && ((weight, bias) => {
      const between = first(weight, bias);
      return between && second(...between);
    }),
  };
}

/**
 * Answers a request with a mistake in the computation, whether it shows or not.
 *
 * @returns the answer; `null` where the mistake does not apply, or cannot be recomputed
 */
export function answerWith({ deviation, restate }: Mistake, task: Task): Answer | null {
  const { request, expect } = task;
  const made = deviation ? recompute(request, deviation) : expect;
  if (!restate || !made?.outputs) return deviation ? made : null;
  const outputs = restate(made.outputs, request);
  return outputs && { outputs };
}

/** Whether a mistake that is only recognised has been made after one that shows. */
function recognise(first: Mistake, { recognise }: Mistake): NonNullable<Mistake["recognise"]> {
  return (task, answer) => {
    const expect = answerWith(first, task);
    if (!expect || agree(task, task.expect, expect)) return false;
    return recognise!({ ...task, expect }, answer);
  };
}

/**
 * A mistake and then another one. Where both change the same thing, the order may matter.
 *
 * @returns `null` where there is no such thing: one of them can only be recognised, or each is another
 * way to do the same step
 */
export function both(first: Mistake, second: Mistake): Mistake | null {
  if (first.recognise || second.recognise && !second.besides) return null;
  const deviation = deviations(first.deviation ?? {}, second.deviation ?? {});
  return deviation && {
    id: `${first.id} + ${second.id}`,
    says: `${first.says}; and ${second.says}`,
    ...second.recognise
      ? { recognise: recognise(first, second) }
      : { deviation, restate: then(first.restate, second.restate) },
    parts: [first, second],
  };
}
