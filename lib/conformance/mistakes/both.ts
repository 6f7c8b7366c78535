/** Two mistakes in one computation. */

import type { Deviation } from "../variant.ts";
import type { Mistake } from "./mistake.ts";

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
 * A mistake and then another one. Where both change the same thing, the order may matter.
 *
 * @returns `null` where there is no such thing: one of them can only be recognised, or each is another
 * way to do the same step
 */
export function both(first: Mistake, second: Mistake): Mistake | null {
  if (first.recognise || second.recognise) return null;
  const deviation = deviations(first.deviation ?? {}, second.deviation ?? {});
  return deviation && {
    id: `${first.id} + ${second.id}`,
    says: `${first.says}; and ${second.says}`,
    deviation,
    restate: then(first.restate, second.restate),
    parts: [first, second],
  };
}
