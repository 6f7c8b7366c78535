"""Changes of a right file: each is one mistake, in its weights, in what a node is told, or between the nodes."""

import itertools

import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper
from right_files import ORDER, reorder


def gates(x):
    """The blocks of gates of a square matrix, each transposed."""
    size = x.shape[1]
    return np.concatenate([x[k : k + size].T for k in range(0, len(x), size)])


def columns(x):
    """The numbers of a matrix, read column by column."""
    return x.reshape(x.shape[1], x.shape[0]).T


def negate_update(w, r, bi, bh):
    """1 - sigmoid(x) is sigmoid(-x)."""
    sign = np.repeat([1, -1, 1], len(r) // 3).astype(np.float32)
    return {"w": w * sign[:, None], "r": r * sign[:, None], "bi": bi * sign, "bh": bh * sign}


def half(x):
    return x.astype(np.float16).astype(np.float32)


def brain(x):
    """Rounded to bfloat16."""
    return torch.tensor(x).bfloat16().float().numpy()


def forget(w, r, bi, bh):
    """1 on top of the forget gate's bias."""
    size = len(bi) // 4
    return {"bi": bi + np.repeat([0, 1, 0, 0], size).astype(np.float32)}


def units(w, r, bi, bh):
    """Another order of units, in all of a node's weights."""
    order = [2, 0, 1]
    rows = np.concatenate([np.array(order) + 3 * k for k in range(len(r) // 3)])
    return {"w": w[rows], "r": r[rows][:, order], "bi": bi[rows], "bh": bh[rows]}


def in_two(file, directions=("forward", "reverse"), lengths=(True, True)):
    """Two nodes of one direction in place of one of two, told which way to run and whether to read lengths."""
    node = file.nodes[-1]
    index = list(file.graph.node).index(node)
    names = []
    file.integers("axis", [0])
    for d in range(2):
        own = []
        for name in node.input[1:4]:
            value = numpy_helper.to_array(file.tensor(name))[d : d + 1]
            file.graph.initializer.append(numpy_helper.from_array(value, f"{name}_{d}"))
            own.append(f"{name}_{d}")
        file.integers(f"start_{d}", [d]), file.integers(f"end_{d}", [d + 1])
        states = []
        for k, state in enumerate(node.input[5:]):
            cut = [state, f"start_{d}", f"end_{d}", "axis"]
            file.insert(file.graph.node[index - 1], "Slice", cut, [f"state_{d}_{k}"])
            states.append(f"state_{d}_{k}")
        attributes = {x.name: helper.get_attribute_value(x) for x in node.attribute if x.name != "direction"}
        outputs = [f"{name}_{d}" for name in node.output]
        names.append(outputs)
        given = [node.input[0], *own, node.input[4] if lengths[d] else "", *states]
        file.insert(node, file.kind, given, outputs, direction=directions[d], **attributes)
    last = [x for x in file.graph.node if x.op_type == file.kind][-1]
    for k, name in enumerate(node.output):
        file.insert(last, "Concat", [names[0][k], names[1][k]], [name], axis=1 if k == 0 else 0)
    file.graph.node.remove(node)


def time_first(file):
    """The file reads (L, N, H_in) although the module has the batch first."""
    node = file.nodes[0]
    node.input[0] = file.graph.input[0].name
    del node.input[4:]
    output_kept(file)


def output_kept(file):
    """The output stays in the order of the node, time first."""
    file.maker("output").attribute[0].ints[:] = [0, 1, 2]


def left_sorted(file):
    """The batch stays in the order in which it was packed."""
    for name in ("output", "h_n"):
        maker = file.maker(name)
        assert maker.op_type == "Gather", maker.op_type
        maker.op_type = "Identity"
        del maker.input[1:], maker.attribute[:]


def flattened(file):
    """All steps of a sequence in one row."""
    file.integers("rows_and_steps", [0, -1])
    file.around("output", "Reshape", "rows_and_steps")
    del file.graph.output[0].type.tensor_type.shape.dim[2]
    file.graph.output[0].type.tensor_type.shape.dim[1].Clear()


def squeezed(file):
    """h_n without its dimension of layers and directions."""
    file.integers("first", [0])
    file.around("h_n", "Squeeze", "first")
    del file.graph.output[1].type.tensor_type.shape.dim[0]


def drops(file):
    """Dropout between the layers, as in training."""
    file.graph.initializer.append(numpy_helper.from_array(np.array(0.5, np.float32), "ratio"))
    file.graph.initializer.append(helper.make_tensor("training", TensorProto.BOOL, [], [True]))
    file.around(file.nodes[1].input[0], "Dropout", "ratio", "training")


def apart(file, value, whole, halves, axis):
    """Takes a value apart; the node that does so, behind which the halves may be joined again."""
    maker = file.maker(value)
    maker.output[list(maker.output).index(value)] = whole
    return file.insert(maker, "Split", [whole], halves, axis=axis)


def joined_again(file, parts):
    """The two halves of the last layer's output, taken apart and joined otherwise."""
    y = file.nodes[-1].output[0]
    split = apart(file, y, "y_whole", ["half_0", "half_1"], 1)
    file.insert(split, "Concat", [f"half_{k}" for k in parts], [y], axis=1)


def turned_back(file):
    """The reverse half of the last layer's output stays in the order in which it was computed."""
    y = file.nodes[-1].output[0]
    split = apart(file, y, "y_whole", ["half_0", "half_1"], 1)
    file.integers("from_end", [-1]), file.integers("to_start", [-(2**31)]), file.integers("time", [0])
    file.insert(split, "Concat", ["half_0", "half_turned"], [y], axis=1)
    file.insert(split, "Slice", ["half_1", "from_end", "to_start", "time", "from_end"], ["half_turned"])


def added(file):
    """The two halves added, in place of side by side."""
    output = file.graph.output[0].name
    file.integers("half_axis", [2])
    split = apart(file, output, "output_whole", ["half_a", "half_b"], 2)
    file.insert(split, "Add", ["half_a", "half_b"], [output])
    file.graph.output[0].type.tensor_type.shape.dim[2].Clear()


def rows(file, order, names=("h_n", "c_n")):
    """The rows of the final states in another order."""
    file.integers("rows", order)
    for name in names:
        if any(name == output.name for output in file.graph.output):
            file.around(name, "Gather", "rows", axis=0)


def swap_outputs(file, a, b):
    """Two outputs exchanged."""
    for node in file.graph.node:
        node.output[:] = [{a: "swapped", b: a}.get(x, x) for x in node.output]
    for node in file.graph.node:
        node.output[:] = [b if x == "swapped" else x for x in node.output]


def layer_reads_input(file):
    """The second layer reads the input instead of the first."""
    file.rewire(file.nodes[1], 0, file.nodes[0].input[0])


def first_state(file):
    """Every layer starts from the first one's state."""
    for place in (5, 6):
        file.rewire(file.nodes[1], place, file.nodes[0].input[place])


def fixed_batch(file):
    """The initial state is a constant for a batch of 1, though the input says nothing of that."""
    for k, node in enumerate(file.nodes):
        shape = [2 if file.asked["args"].get("bidirectional") else 1, 1, file.asked["args"]["hidden_size"]]
        file.graph.initializer.append(numpy_helper.from_array(np.zeros(shape, np.float32), f"zeros_{k}"))
        for place in (5, 6) if file.kind == "LSTM" else (5,):
            file.rewire(node, place, f"zeros_{k}")


def peepholes(file):
    """Weights for peepholes, which PyTorch has not."""
    for node in file.nodes:
        size = 3 * file.asked["args"]["hidden_size"]
        value = np.linspace(-1, 1, size, dtype=np.float32)[None]
        file.graph.initializer.append(numpy_helper.from_array(value, f"peepholes_{node.name}"))
        file.rewire(node, 7, f"peepholes_{node.name}")


def within(file, op):
    """Puts all nodes into the branch of an If, or into a function: what is computed stays the same."""
    outputs = [x.name for x in file.graph.output]
    nodes = list(file.graph.node)
    if op == "If":
        body = helper.make_graph(nodes, "inner", [], [helper.make_tensor_value_info(x, 1, None) for x in outputs])
        other = helper.make_graph(
            [helper.make_node("Identity", [file.graph.input[0].name], [f"{x}_none"]) for x in outputs],
            "outer", [], [helper.make_tensor_value_info(f"{x}_none", 1, None) for x in outputs],
        )  # fmt: skip
        file.graph.initializer.append(helper.make_tensor("yes", TensorProto.BOOL, [], [True]))
        called = helper.make_node("If", ["yes"], outputs, name="if", then_branch=body, else_branch=other)
    else:
        names = [x.name for x in (*file.graph.input, *file.graph.initializer)]
        opsets = [helper.make_opsetid("", file.model.opset_import[0].version)]
        file.model.functions.append(helper.make_function("own", "Layer", names, outputs, nodes, opsets))
        file.model.opset_import.append(helper.make_opsetid("own", 1))
        called = helper.make_node("Layer", names, outputs, name="layer", domain="own")
    del file.graph.node[:]
    file.graph.node.append(called)


def orders(kind):
    """All wrong orders of gates."""
    right = ORDER[kind]
    return [order for order in map("".join, itertools.permutations(right)) if order != right]


def each(change):
    """A change of every direction's parameters."""
    return lambda file: file.directions(lambda parts: [{**one, **change(**one)} for one in parts])


def one_direction(change, direction):
    """A change of one direction's parameters only."""

    def changed(file):
        file.only = direction
        change(file)

    return changed


def misread(order, kind, keys=("w", "r", "bi", "bh")):
    """Gates read in a wrong order."""
    return each(lambda **own: {key: reorder(own[key], order, ORDER[kind]) for key in keys})


def reading(change):
    """A change of the names that every node reads."""

    def changed(file):
        for node in file.nodes:
            names = change(list(node.input))
            del node.input[:]
            node.input.extend(names)

    return changed


def told(**attributes):
    """A change of what every node is told."""
    return lambda file: file.tell(**attributes)


# By the mistake's name what becomes of a file.
EVERY = {
    "no-bias-hh": each(lambda w, r, bi, bh: {"bh": bh * 0}),
    "no-bias-ih": each(lambda w, r, bi, bh: {"bi": bi * 0}),
    "no-bias": reading(lambda names: [*names[:3], "", *names[4:]]),
    "bias-ih-twice": each(lambda w, r, bi, bh: {"bh": bi}),
    "bias-hh-twice": each(lambda w, r, bi, bh: {"bi": bh}),
    "transposed-weight_hh": each(lambda w, r, bi, bh: {"r": gates(r)}),
    "negated-weight_ih": each(lambda w, r, bi, bh: {"w": -w}),
    "negated-weight_hh": each(lambda w, r, bi, bh: {"r": -r}),
    "negated-weights": each(lambda w, r, bi, bh: {"w": -w, "r": -r}),
    "stored-transposed-weight_ih": each(lambda w, r, bi, bh: {"w": columns(w)}),
    "float16-weights": each(lambda **own: {k: half(x) for k, x in own.items()}),
    "bfloat16-weights": each(lambda **own: {k: brain(x) for k, x in own.items()}),
}
OF_ONE = {
    "transposed-weight_hh": EVERY["transposed-weight_hh"], "gates-zrn": misread("zrn", "GRU"),
    "no-bias-hh": EVERY["no-bias-hh"], "negated-weight_ih": EVERY["negated-weight_ih"]
}
# The right files, and what becomes of them.
PARAMETERS = [
    ("rnn lstm gru-both", EVERY),
    ("lstm gru-both", {
        "stored-transposed-weight_hh": each(lambda w, r, bi, bh: {"r": columns(r)}),
        "stored-transposed-weights": each(lambda w, r, bi, bh: {"w": columns(w), "r": columns(r)}),
    }),
    ("gru gru-both", {
        "merged-biases": each(lambda w, r, bi, bh: {"bi": bi + bh, "bh": bh * 0}),
        "swapped-biases": each(lambda w, r, bi, bh: {"bi": bh, "bh": bi}),
        "update-swapped": each(negate_update),
        "reset-before": told(linear_before_reset=None),
    }),
    ("gru-dynamo", {"reset-before": told(linear_before_reset=0)}),  # as onnxscript 0.6.2 wrote it
    ("lstm-square gru-square", {
        "transposed-weight_ih": each(lambda w, r, bi, bh: {"w": gates(w)}),
        "transposed-weights": each(lambda w, r, bi, bh: {"w": gates(w), "r": gates(r)}),
        "swapped-weights": each(lambda w, r, bi, bh: {"w": r, "r": w}),
    }),
    ("lstm", {f"gates-{order}": misread(order, "LSTM") for order in orders("LSTM")}),
    ("gru", {f"gates-{order}": misread(order, "GRU") for order in orders("GRU")}),
    ("lstm", {f"bias-gates-{order}": misread(order, "LSTM", ("bi", "bh")) for order in ("iofg", "ifog")}),
    ("gru", {"bias-gates-zrn": misread("zrn", "GRU", ("bi", "bh"))}),
    ("lstm-both-2 lstm-head", {"gates-iofg": misread("iofg", "LSTM")}),
    ("gru-both", {"gates-zrn": misread("zrn", "GRU")}),
    ("gru-both", {mistake: one_direction(change, 1) for mistake, change in OF_ONE.items()}),
    ("gru-2", {mistake: one_direction(change, 0) for mistake, change in OF_ONE.items()}),
    ("lstm", {"forget-bias": each(forget)}),
    ("lstm gru", {"units-permuted": each(units)}),
]  # fmt: skip
HARD = {"activation_alpha": [0.2], "activation_beta": [0.5]}
HARD_6 = {"activation_alpha": [1 / 6], "activation_beta": [0.5]}
LINE = {"activation_alpha": [1.0], "activation_beta": [0.0]}
# (the mistake, the right files, the change): what judge can mend, then what it mostly cannot.
MENDABLE = [
    ("hard-sigmoid", "lstm", told(activations=["HardSigmoid", "Tanh", "Tanh"], **HARD)),
    ("hard-sigmoid", "gru", told(activations=["HardSigmoid", "Tanh"])),
    ("hard-sigmoid-6", "lstm", told(activations=["HardSigmoid", "Tanh", "Tanh"], **HARD_6)),
    ("hard-sigmoid-6", "gru", told(activations=["HardSigmoid", "Tanh"], **HARD_6)),
    ("relu-for-tanh", "lstm", told(activations=["Sigmoid", "Relu", "Relu"])),
    ("relu-for-tanh", "gru", told(activations=["Sigmoid", "Relu"])),
    ("relu-for-tanh", "rnn", told(activations=["Relu"])),
    ("tanh-for-relu", "rnn-relu", told(activations=None)),
    ("sigmoid-for-tanh", "gru", told(activations=["Sigmoid", "Sigmoid"])),
    ("sigmoid-for-tanh", "rnn", told(activations=["Sigmoid"])),
    ("linear-rnn", "rnn", told(activations=["Affine"], **LINE)),
    ("no-outer-tanh", "lstm", told(activations=["Sigmoid", "Tanh", "Affine"], **LINE)),
    ("activations", "lstm", told(activations=["Tanh", "Sigmoid", "Tanh"])),
    ("activations", "gru", told(activations=["Sigmoid", "Softsign"])),
    ("clip", "rnn lstm gru", told(clip=0.25)),
    ("input-forget", "lstm lstm-both-2", told(input_forget=1)),
    ("peepholes", "lstm", peepholes),
    ("directions-swapped", "rnn-both gru-both", lambda file: file.directions(lambda parts: parts[::-1])),
    ("reverse-weights-forward", "lstm-both-2 gru-both", lambda file: file.directions(lambda parts: parts[:1] * 2)),
    ("direction", "gru rnn-relu", told(direction="reverse")),
]
LAID_OUT = [
    ("reverse-runs-forward", "rnn-both", lambda file: in_two(file, ("forward", "forward"))),
    ("lengths-ignored-by-forward", "lstm-packed", lambda file: in_two(file, lengths=(False, True))),
    ("lengths-ignored-by-reverse", "lstm-packed", lambda file: in_two(file, lengths=(True, False))),
    ("batch-left-sorted", "gru-packed", left_sorted),
    ("batch-first-ignored", "gru-batch-first", time_first),
    ("batch-first-output-kept", "gru-batch-first", output_kept),
    ("batch-first-state", "gru-batch-first", lambda file: file.around("h_n", "Transpose", perm=[1, 0, 2])),
    ("output-flattened", "gru-batch-first", flattened),
    ("ones-squeezed", "gru", squeezed),
    ("dropout-in-eval", "lstm-both-2", drops),
]
HALVES = [
    ("backward-unreversed", turned_back),
    ("forward-for-backward", lambda file: joined_again(file, [0, 0])),
    ("halves-swapped", lambda file: joined_again(file, [1, 0])),
    ("halves-added", added),
    ("h-n-swapped", lambda file: rows(file, [1, 0])),
]
STATES = [
    ("halves-swapped-last", "lstm-both-2", lambda file: joined_again(file, [1, 0])),
    ("direction-major", "lstm-both-2", lambda file: rows(file, [0, 2, 1, 3])),
    ("layers-top-down", "lstm-both-2", lambda file: rows(file, [2, 3, 0, 1])),
    ("layers-top-down", "lstm-2", lambda file: rows(file, [1, 0])),
    ("every-layer-reads-x", "lstm-2", layer_reads_input),
    ("h-0-ignored", "rnn lstm gru", reading(lambda names: names[:4])),
    ("h-0-of-layer-0", "lstm-2", first_state),
    ("states-swapped", "lstm", lambda file: swap_outputs(file, "h_n", "c_n")),
    ("state-pair-swapped", "lstm", reading(lambda names: [*names[:5], names[6], names[5]])),
    ("lengths-ignored", "lstm-packed gru-packed", reading(lambda names: [*names[:4], "", *names[5:]])),
    ("fixed-batch", "rnn-relu lstm-both-2 gru-both", fixed_batch),
    ("layout", "gru", told(layout=1)),
]
MENDED = {"h-0-ignored", "fixed-batch", "layout"}


def mistakes():
    """(the mistake, the right file, the change, whether judge can mend it)."""
    for names, changes in PARAMETERS:
        for name in names.split():
            yield from ((mistake, name, change, True) for mistake, change in changes.items())
    halves = [(mistake, name, change) for name in ("rnn-both", "gru-both") for mistake, change in HALVES]
    for rows, mended in ((MENDABLE, True), ((*LAID_OUT, *halves, *STATES), False)):
        for mistake, names, change in rows:
            yield from ((mistake, name, change, mended or mistake in MENDED) for name in names.split())
