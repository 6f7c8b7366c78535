/** Chapter training: what the losses refuse, in which words and order, and what they do at their borders. */

import { assertEquals } from "@std/assert";
import {
  binaryCrossEntropyWithLogits,
  crossEntropy,
  grad,
  l1Loss,
  mseLoss,
  nllLoss,
  type Reduction,
  type Tensor,
  tensor,
  zeros,
} from "../../mod.ts";
import { describe, fact } from "./law.ts";

/** The class and the message of what a call throws; nothing if it returns. */
function told(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
  return "";
}

const refusals = (rows: readonly (readonly [() => unknown, string])[]) =>
  rows.forEach(([run, message]) => assertEquals(told(run), message));

const reductions = ["none", "mean", "sum"] as const;
const asked = { requiresGrad: true } as const;
const double = { dtype: "float64" } as const;

/** Classes of a shape, all 0. */
const classes = (...shape: number[]) => zeros(shape, { dtype: "int64" });

describe("loss facts", () => {
  fact(["LOSS-3", "ERROR-5"], "targets that do not fit their input", () => {
    const [point, row, flat] = [zeros([]), zeros([3]), zeros([2, 3])];
    refusals([
      [() => nllLoss(point, 0), "ValueError: Expected 1 or more dimensions (got 0)"],
      [
        () => nllLoss(flat, 0),
        "ValueError: Expected input batch_size (2) to match target batch_size (0).",
      ],
      [
        () => nllLoss(flat, [0, 1, 2]),
        "ValueError: Expected input batch_size (2) to match target batch_size (3).",
      ],
      [
        () => nllLoss(flat, [[0], [1]]),
        "RuntimeError: 0D or 1D target tensor expected, multi-target not supported",
      ],
      [
        () => nllLoss(row, [[0]]),
        "RuntimeError: 0D or 1D target tensor expected, multi-target not supported",
      ],
      [
        () => nllLoss(row, [0, 1]),
        "ValueError: For 1D input, 1D target must have size 1, but got target size: 2",
      ],
      [
        () => nllLoss(zeros([2, 3, 4]), classes(2, 3)),
        "RuntimeError: Expected target size [2, 4], got [2, 3]",
      ],
      [
        () => nllLoss(zeros([2, 3, 4]), [0, 1]),
        "RuntimeError: Expected target size [2, 4], got [2]",
      ],
      [
        () => nllLoss(zeros([2, 3, 4, 1, 1]), classes(2, 3, 1, 1)),
        "RuntimeError: Expected target size [2, 4, 1, 1], got [2, 3, 1, 1]",
      ],
      [
        () => nllLoss(zeros([2, 3, 4, 5]), classes(2, 4)),
        "RuntimeError: only batches of spatial targets supported (3D tensors) but got targets of " +
        "dimension: 2",
      ],
      [
        () => nllLoss(zeros([2, 3, 4, 5]), classes(2, 4, 6)),
        "RuntimeError: size mismatch (got input: [2, 3, 4, 5] , target: [2, 4, 6]",
      ],
      [() => nllLoss(flat, [0, 3]), "IndexError: Target 3 is out of bounds."],
      [() => nllLoss(flat, [-1, 0]), "IndexError: Target -1 is out of bounds."],
      [
        () => nllLoss(flat, tensor([0, 1])),
        "RuntimeError: expected target dtype to be Long or Byte, but got Float",
      ],
      [
        () => nllLoss(flat, [0, 1], { reduction: "max" as Reduction }),
        "ValueError: max is not a valid value for reduction",
      ],
    ]);
    const fitting = [
      [row, classes()],
      [row, classes(1)],
      [flat, classes(2)],
      [zeros([2, 3, 4]), classes(2, 4)],
      [zeros([2, 3, 4, 5]), classes(2, 4, 5)],
      [zeros([2, 3, 1, 1, 1]), classes(2, 1, 1, 1)],
    ];
    for (const [x, y] of fitting) {
      const elements = nllLoss(x, y, { reduction: "none" });
      assertEquals(elements.shape, x === row ? [] : y.shape);
      assertEquals([...elements.data].every((value) => Object.is(Math.abs(value), 0)), true);
      const weight = "RuntimeError: weight tensor should be defined either for all ";
      assertEquals(
        told(() => nllLoss(x, y, { weight: zeros([2]) })),
        weight +
          (x.dim() <= 2
            ? "3 classes or no classes but got weight tensor of shape: [2]"
            : "or no classes"),
      );
      assertEquals(
        told(() => nllLoss(x, y, { weight: zeros([3], double) })),
        "RuntimeError: expected scalar type Float but found Double",
      );
      assertEquals(
        told(() => nllLoss(x, y, { weight: zeros([3], asked) })),
        `RuntimeError: The function 'nll_loss${x.dim() <= 2 ? "" : "2d"}_forward' is not ` +
          "differentiable with respect to argument 'weight'. This input cannot have requires_grad " +
          "True.",
      );
    }
  });

  fact(["LOSS-3", "LOSS-5", "ERROR-5"], "probabilities that do not fit their input", () => {
    const x = zeros([1, 2]);
    const soft = "RuntimeError: Expected floating point type for target with class probabilities, ";
    refusals([
      [
        () => crossEntropy(tensor(1), tensor(1)),
        "IndexError: Dimension specified as 1 but tensor has no dimensions",
      ],
      [() => crossEntropy(tensor(1), 0), `${soft}got Long`],
      [() => crossEntropy(x, classes(1, 2)), `${soft}got Long`],
      [() => crossEntropy(x, [[0, 1]]), `${soft}got Long`],
      [() => crossEntropy(x, tensor([[true, false]])), `${soft}got Bool`],
      [
        () => crossEntropy(x, [[0, 0.5]]),
        "TypeError: class probabilities must be a tensor, tensor([[0.25, 0.75]]); a list holds " +
        "classes by number",
      ],
      [
        () => crossEntropy(x, zeros([1, 2]), { ignoreIndex: 0 }),
        "RuntimeError: ignore_index is not supported for floating point target",
      ],
      [
        () => crossEntropy(x, zeros([1, 2]), { weight: zeros([3]) }),
        "RuntimeError: cross_entropy: weight tensor should be defined either for all 2 classes or " +
        "no classes but got weight tensor of shape: [3]",
      ],
      [
        () => crossEntropy(x, zeros([1, 2]), { labelSmoothing: 1.5 }),
        "RuntimeError: label_smoothing must be between 0.0 and 1.0. Got: 1.5",
      ],
      [
        () => crossEntropy(x, [0], { labelSmoothing: 2 }),
        "RuntimeError: label_smoothing must be between 0.0 and 1.0. Got: 2",
      ],
      [
        () => crossEntropy(zeros([3]), [1], { labelSmoothing: 0.5 }),
        "RuntimeError: output with shape [] doesn't match the broadcast shape [1]",
      ],
      [
        () => crossEntropy(x, [0], { reduction: "max" as Reduction }),
        "ValueError: max is not a valid value for reduction",
      ],
    ]);
    crossEntropy(x, zeros([1, 2]), { ignoreIndex: -1 });
    const ln2 = Math.fround(Math.log(2));
    for (const labelSmoothing of [1, 0, -0.5]) {
      assertEquals(crossEntropy(x, tensor([[1, 0]]), { labelSmoothing }).item(), ln2);
      assertEquals(crossEntropy(x, [0], { labelSmoothing }).item(), ln2);
      assertEquals(crossEntropy(zeros([2]), 0, { labelSmoothing }).item(), ln2);
    }
    assertEquals(crossEntropy(zeros([2]), [0]).item(), ln2);
    const half = tensor([[[1, 0, 1], [0, 1, 0]], [[1, 1, 0], [0, 0, 1]]]);
    assertEquals(crossEntropy(zeros([2, 2, 3]), half).item(), ln2);
  });

  fact(["LOSS-3"], "one row of classes without a batch", () => {
    const x = tensor([1, 2, 4], asked);
    const loss = nllLoss(x, 2);
    assertEquals([loss.item(), grad([loss], [x])[0]!.tolist()], [-4, [0, 0, -1]]);
    const listed = nllLoss(x, [1]);
    assertEquals([listed.item(), listed.shape], [-2, []]);
    assertEquals(
      told(() => grad([listed], [x])),
      "RuntimeError: size mismatch (got input: [3], target: [1])",
    );
    const one = tensor([3], asked);
    assertEquals(grad([nllLoss(one, [0])], [one])[0]!.tolist(), [-1]);
    const ignored = nllLoss(x, 2, { ignoreIndex: 2, reduction: "sum" });
    assertEquals([Math.abs(ignored.item()), grad([ignored], [x])[0]!.tolist()], [0, [0, 0, 0]]);
  });

  fact(["LOSS-3"], "each element has its own weight, place and gradient", () => {
    // Two samples of three classes at two places.
    const x = tensor([[[1, 2], [3, 4], [5, 6]], [[7, 8], [9, 10], [11, 12]]], asked);
    const target = [[2, 0], [-100, 1]];
    const weight = tensor([1, 2, 5]);
    const of = (reduction: Reduction) => nllLoss(x, target, { weight, reduction });
    assertEquals(of("none").tolist(), [[-25, -2], [0, -20]]);
    assertEquals(of("sum").item(), -47);
    assertEquals(of("mean").item(), -47 / 8);
    const wanted = [[[0, -1], [0, 0], [-5, 0]], [[0, 0], [0, -2], [0, 0]]];
    assertEquals(grad([of("sum")], [x])[0]!.tolist(), wanted);
    const eighth = wanted.map((a) => a.map((b) => b.map((value) => value / 8)));
    assertEquals(grad([of("mean")], [x])[0]!.tolist(), eighth);
  });

  fact(["LOSS-5", "GRAD-1"], "smoothed classes and probabilities, with all gradients", () => {
    const ln3 = Math.log(3); // so that the shares are 1/4 and 3/4
    const near = (list: Iterable<number>) => [...list].map((value) => Number(value.toFixed(12)));
    const x = tensor([[0, ln3]], { ...asked, ...double });
    const y = tensor([[1, 0]], { ...asked, ...double });
    const fixed = tensor([2, 4], double);
    const how = { labelSmoothing: 0.5, reduction: "sum" } as const;
    const logs = [-2 * Math.LN2, ln3 - 2 * Math.LN2];
    const dl = [tensor(10, double)];
    // Each class counts (1 - s) y w + s w / 2: 1.5 and 1.
    const hard = crossEntropy(x, [0], { ...how, weight: fixed });
    assertEquals(near(hard.data), near([-1.5 * logs[0] - logs[1]]));
    assertEquals(near(grad([hard], [x], dl)[0]!.data), [-8.75, 8.75]);
    const weight = tensor([2, 4], { ...asked, ...double });
    const soft = crossEntropy(x, y, { ...how, weight });
    assertEquals(near(soft.data), near(hard.data));
    const [dx, dy, dw] = grad([soft], [x, y, weight], dl) as Tensor[];
    assertEquals(near(dx.data), [-8.75, 8.75]);
    assertEquals(near(dy.data), near([-10 * logs[0], -20 * logs[1]]));
    assertEquals(near(dw.data), near([-7.5 * logs[0], -2.5 * logs[1]]));
    assertEquals(near(crossEntropy(x, y).data), near([-logs[0]]));
    const places = tensor([[[0, 5], [ln3, 5]]], { ...asked, ...double });
    const two = crossEntropy(places, [[1, 0]], { ...how, weight: fixed });
    assertEquals(near(grad([two], [places])[0]!.data), [0.375, -0.25, -0.375, 0.25]);
  });

  fact(["LOSS-3", "GRAD-1"], "each rank has PyTorch's node", () => {
    const named = (...shape: number[]) =>
      reductions.map((reduction) =>
        nllLoss(zeros(shape, asked), classes(...shape.slice(0, 1), ...shape.slice(2)), {
          reduction,
        }).gradFn?.name
      );
    const [flat, spatial, view] = ["NllLoss", "NllLoss2D", "View"].map((name) =>
      `${name}Backward0`
    );
    assertEquals(named(2, 3), [flat, flat, flat]);
    assertEquals(named(2, 3, 4), [view, spatial, spatial]);
    assertEquals(named(2, 3, 4, 1), [spatial, spatial, spatial]);
    assertEquals(named(2, 3, 1, 1, 1), [view, spatial, spatial]);
    const x = zeros([1, 2, 3], asked);
    const smooth = crossEntropy(x, classes(1, 3), { labelSmoothing: 0.5, reduction: "none" });
    assertEquals(smooth.gradFn?.name, "AddBackward0");
  });

  fact(["LOSS-5", "GRAD-1"], "a mean of no probability is none", () => {
    const of = (reduction: Reduction, ...shape: number[]) =>
      crossEntropy(zeros(shape, asked), zeros(shape), { reduction });
    for (const reduction of reductions) {
      assertEquals(of(reduction, 2, 0).gradFn?.name, "NegBackward0");
      assertEquals(of(reduction, 0, 2).gradFn?.name, "NegBackward0");
    }
    assertEquals([of("mean", 2, 0).item(), of("mean", 0, 2).item()], [NaN, NaN]);
    assertEquals(of("none", 2, 0).shape, [2]);
    assertEquals(Math.abs(of("sum", 2, 0).item()), 0);
    assertEquals(of("mean", 1, 2).gradFn?.name, "DivBackward1");
    assertEquals(of("mean", 2).gradFn?.name, "DivBackward1");
  });

  fact(
    ["LOSS-1", "LOSS-2", "LOSS-4", "ERROR-5"],
    "inputs, targets and weights that do not fit",
    () => {
      const [x, y] = [zeros([2, 3]), zeros([2, 3])];
      const bce = (options: Parameters<typeof binaryCrossEntropyWithLogits>[2]) => () =>
        binaryCrossEntropyWithLogits(x, y, options);
      const none = (name: string) =>
        `RuntimeError: The function 'binary_cross_entropy_with_logits' is not differentiable with ` +
        `respect to argument '${name}'. This input cannot have requires_grad True.`;
      const one = { reduction: 1 as unknown as Reduction };
      const wrong = "ValueError: 1 is not a valid value for reduction";
      refusals([
        [() => mseLoss(x, y, one), wrong],
        [() => l1Loss(x, y, one), wrong],
        [bce(one), wrong],
        [
          () => binaryCrossEntropyWithLogits(x, zeros([3])),
          "ValueError: Target size (torch.Size([3])) must be the same as input size " +
          "(torch.Size([2, 3]))",
        ],
        [bce({ weight: zeros([3], asked) }), none("weight")],
        [bce({ posWeight: zeros([3], asked) }), none("pos_weight")],
        [
          bce({ posWeight: zeros([4]) }),
          "RuntimeError: The size of tensor a (4) must match the size of tensor b (3) at " +
          "non-singleton dimension 1",
        ],
        [
          bce({ weight: zeros([4]) }),
          "RuntimeError: The size of tensor a (3) must match the size of tensor b (4) at " +
          "non-singleton dimension 1",
        ],
        [
          bce({ weight: zeros([1, 2, 3]) }),
          "RuntimeError: output with shape [2, 3] doesn't match the broadcast shape [1, 2, 3]",
        ],
        [
          bce({ posWeight: zeros([5, 1, 1]) }),
          "RuntimeError: output with shape [2, 3] doesn't match the broadcast shape [5, 2, 3]",
        ],
      ]);
      bce({ weight: zeros([3]), posWeight: zeros([2, 1]) })();
      bce({})();
    },
  );

  fact(["LOSS-1", "LOSS-2"], "each reduction of 4 and 1 apart, with both gradients", () => {
    const [x, y] = [tensor([1, 5], asked), tensor([5, 4], asked)];
    const losses = [mseLoss, l1Loss] as const;
    const all = losses.map((loss) =>
      reductions.map((reduction) => {
        const given = loss(x, y, { reduction });
        const dy = reduction === "none" ? [tensor([1, 1])] : [];
        const grads = grad([given], [x, y], dy) as Tensor[];
        return [given.tolist(), ...grads.map((one) => one.tolist())];
      })
    );
    assertEquals(all[0], [
      [[16, 1], [-8, 2], [8, -2]],
      [8.5, [-4, 1], [4, -1]],
      [17, [-8, 2], [8, -2]],
    ]);
    assertEquals(all[1], [
      [[4, 1], [-1, 1], [1, -1]],
      [2.5, [-0.5, 0.5], [0.5, -0.5]],
      [5, [-1, 1], [1, -1]],
    ]);
    for (const loss of losses) {
      assertEquals(loss(x, y).item(), loss(x, y, { reduction: "mean" }).item());
      assertEquals(loss(zeros([0]), zeros([0])).item(), NaN);
      assertEquals(loss(zeros([0]), zeros([0]), { reduction: "sum" }).item(), 0);
    }
  });

  fact(["LOSS-4"], "weights of a logit of 0 are numbers of ln 2", () => {
    const [x, y] = [zeros([2], { ...asked, ...double }), tensor([1, 0.5], { ...asked, ...double })];
    const [weight, posWeight] = [tensor([2, 4], double), tensor([3, 5], double)];
    const of = (options: Parameters<typeof binaryCrossEntropyWithLogits>[2]) => {
      const loss = binaryCrossEntropyWithLogits(x, y, { ...options, reduction: "none" });
      const grads = grad([loss], [x, y], [tensor([1, 10])]) as Tensor[];
      return [
        [...loss.data].map((value) => Math.fround(value / Math.LN2)),
        grads[0].tolist(),
        [...grads[1].data].map((value) => Math.fround(value / Math.LN2)),
      ];
    };
    // -w (q y ln σ + (1 - y) ln (1 - σ)), σ = 1/2; d/dx = w ((q y + 1 - y) σ - q y)
    assertEquals(of({}), [[1, 1], [-0.5, 0], [0, 0]].map((row) => row.map((v) => v + 0)));
    assertEquals(of({ weight })[0], [2, 4]);
    assertEquals(of({ weight })[1], [-1, 0]);
    assertEquals(of({ posWeight }), [[3, 3], [-1.5, -10], [2, 40]]);
    assertEquals(of({ weight, posWeight }), [[6, 12], [-3, -40], [4, 160]]);
    const logit = tensor([1], double);
    const half = tensor([0.5], { ...asked, ...double });
    const slope = (options: Parameters<typeof binaryCrossEntropyWithLogits>[2]) =>
      Math.fround(grad([binaryCrossEntropyWithLogits(logit, half, options)], [half])[0]!.item());
    assertEquals(slope({}), -1);
    const [no, yes] = [-1, 1].map((x) => -Math.log(1 + Math.exp(-x))); // ln σ(-1), ln σ(1)
    assertEquals(slope({ posWeight: tensor([3], double) }), Math.fround(no - 3 * yes));
  });
});
