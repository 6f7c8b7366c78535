# /// script
# requires-python = ">=3.11"
# dependencies = ["torch==2.15.0", "numpy==2.4.6", "onnx==1.23.2", "onnxscript==0.7.2", "safetensors==0.8.0"]
# ///
"""
Write spec/tests/judged/files.json: small ONNX files with what is to be said of each.

    uv run scripts/exporters/kept.py          write it
    uv run scripts/exporters/kept.py --check  make it in memory and compare

The right files are PyTorch's, by both exporters. A wrong one is a right one with a single change, the mistake
that it is named after: in the weights that the exporter would have read, in what a node is told, or in what
lies between the nodes.
"""

import argparse
import base64
import itertools
import json
import logging
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
import torch_export
from onnx import TensorProto, helper, numpy_helper

TARGET = Path(__file__).resolve().parents[2] / "spec" / "tests" / "judged" / "files.json"
ORDER = {"RNN": "h", "LSTM": "ifgo", "GRU": "rzn"}
ONNX_ORDER = {"RNN": "h", "LSTM": "iofg", "GRU": "zrn"}


def weights(module, seed):
    """Numbers that float16 does not hold, so that rounding to it is a mistake of its own."""
    generator = torch.Generator().manual_seed(seed)
    state = {
        name: torch.randint(-(2**20), 2**20, value.shape, generator=generator).to(value.dtype) / 2**20
        for name, value in module.state_dict().items()
    }
    module.load_state_dict(state)
    return state


torch_export.weights = weights


def base(name, module, exporter="torchscript", opset=17, seed=0, **rest):
    """The name, and what is exported."""
    args = {"input_size": 2, "hidden_size": 3, **rest.pop("args", {})}
    return name, {
        "module": module, "args": args, "exporter": exporter, "opset": opset, "seed": seed, "dynamic": True, **rest
    }


SQUARE = {"input_size": 3}
BOTH = {"bidirectional": True}
BASES = dict([
    base("rnn", "RNN", state=True, seed=1),
    base("rnn-relu", "RNN", args={"nonlinearity": "relu"}, seed=2),
    base("rnn-both", "RNN", args=BOTH, seed=3),
    base("lstm", "LSTM", state=True, seed=4),
    base("lstm-square", "LSTM", args=SQUARE, seed=5),
    base("lstm-both-2", "LSTM", args={"num_layers": 2, **BOTH}, seed=6),
    base("lstm-2", "LSTM", args={"num_layers": 2, **SQUARE}, state=True, seed=7),
    base("lstm-packed", "LSTM", args=BOTH, lengths=True, seed=8),
    base("lstm-head", "LSTM", args={"num_layers": 2, "batch_first": True}, head=True, seed=9),
    base("lstm-fixed", "LSTM", dynamic=False, seed=10),
    base("lstm-dynamo", "LSTM", exporter="dynamo", opset=20, args={"num_layers": 2}, seed=11),
    base("gru", "GRU", state=True, seed=12),
    base("gru-square", "GRU", args=SQUARE, seed=13),
    base("gru-both", "GRU", args=BOTH, seed=14),
    base("gru-2", "GRU", args={"num_layers": 2, "batch_first": True, **BOTH}, opset=9, seed=15),
    base("gru-dynamo", "GRU", exporter="dynamo", opset=18, args={"bidirectional": True, "batch_first": True}, seed=16),
    base("gru-no-bias", "GRU", args={"bias": False}, opset=13, seed=17),
    base("gru-batch-first", "GRU", args={"batch_first": True}, seed=19),
    base("gru-packed", "GRU", args={"batch_first": True}, lengths=True, seed=18),
])  # fmt: skip


def reorder(x, given, wanted):
    """Gates that stand in one order, put into another."""
    gates = np.split(x, len(given), axis=-2 if x.ndim > 1 else 0)
    return np.concatenate([gates[given.index(gate)] for gate in wanted], axis=-2 if x.ndim > 1 else 0)


class File:
    """A right file, to be changed in one place."""

    def __init__(self, name):
        self.base, self.asked = name, BASES[name]
        data, state = torch_export.export(self.asked)
        self.state = {key: value.numpy() for key, value in state.items()}
        self.model = onnx.load_from_string(data)
        self.graph = self.model.graph
        self.kind = self.asked["module"]
        self.nodes = [node for node in self.graph.node if node.op_type == self.kind]

    def bytes(self):
        """The file."""
        return self.model.SerializeToString(deterministic=True)

    def tensor(self, name):
        """The initializer of a name."""
        return next(x for x in self.graph.initializer if x.name == name)

    def put(self, name, value):
        """Replaces an initializer's numbers."""
        self.tensor(name).CopyFrom(numpy_helper.from_array(np.ascontiguousarray(value), name))

    def read(self, node):
        """For each direction, a node's parameters as PyTorch has them."""
        w, r, b = (numpy_helper.to_array(self.tensor(x)) if x else None for x in node.input[1:4])
        own, theirs = ORDER[self.kind], ONNX_ORDER[self.kind]
        rows = r.shape[1]
        return [
            {
                "w": reorder(w[d], theirs, own), "r": reorder(r[d], theirs, own),
                "bi": reorder(b[d][:rows], theirs, own), "bh": reorder(b[d][rows:], theirs, own)
            }
            for d in range(len(w))
        ]

    def write(self, node, directions):
        """Gives a node parameters."""
        own, theirs = ORDER[self.kind], ONNX_ORDER[self.kind]
        turn = [{key: reorder(x, own, theirs) for key, x in one.items()} for one in directions]
        self.put(node.input[1], np.stack([one["w"] for one in turn]))
        self.put(node.input[2], np.stack([one["r"] for one in turn]))
        self.put(node.input[3], np.stack([np.concatenate([one["bi"], one["bh"]]) for one in turn]))

    def each(self, change):
        """Changes each direction's parameters of each node."""
        for node in self.nodes:
            self.write(node, [{**one, **change(**one)} for one in self.read(node)])

    def tell(self, **attributes):
        """Tells each node something else."""
        for node in self.nodes:
            for name, value in attributes.items():
                for old in [x for x in node.attribute if x.name == name]:
                    node.attribute.remove(old)
                if value is not None:
                    node.attribute.append(helper.make_attribute(name, value))

    def maker(self, name):
        """The node that puts out a value."""
        return next(node for node in self.graph.node if name in node.output)

    def insert(self, after, op, inputs, outputs, **attributes):
        """Puts a node behind another, or first."""
        place = list(self.graph.node).index(after) + 1 if after else 0
        self.graph.node.insert(place, helper.make_node(op, inputs, outputs, **attributes))

    def integers(self, name, values):
        """Adds a constant list of integers."""
        self.graph.initializer.append(helper.make_tensor(name, TensorProto.INT64, [len(values)], values))
        return name

    def around(self, value, op, *more, **attributes):
        """Puts a node between whatever makes a value and whatever reads it."""
        maker = self.maker(value)
        inner = f"{value}_before"
        maker.output[list(maker.output).index(value)] = inner
        self.insert(maker, op, [inner, *more], [value], **attributes)

    def rewire(self, node, place, name):
        """Lets a node read something else."""
        while len(node.input) <= place:
            node.input.append("")
        node.input[place] = name


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
    """Rounded to float16."""
    return x.astype(np.float16).astype(np.float32)


def brain(x):
    """Rounded to bfloat16."""
    return torch.tensor(x).bfloat16().float().numpy()


def forget(w, r, bi, bh):
    """1 on top of the forget gate's bias."""
    size = len(bi) // 4
    return {"bi": bi + np.repeat([0, 1, 0, 0], size).astype(np.float32)}


def units(file):
    """Another order of units, in all of a node's weights."""
    order = [2, 0, 1]

    def change(w, r, bi, bh):
        rows = np.concatenate([np.array(order) + 3 * k for k in range(len(r) // 3)])
        return {"w": w[rows], "r": r[rows][:, order], "bi": bi[rows], "bh": bh[rows]}

    file.each(change)


def swap_directions(file):
    """Each direction with the other's weights."""
    for node in file.nodes:
        file.write(node, file.read(node)[::-1])


def first_for_both(file):
    """Both directions with the first one's weights."""
    for node in file.nodes:
        file.write(node, file.read(node)[:1] * 2)


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
    file.maker("output").attribute[0].ints[:] = [0, 1, 2]


def output_kept(file):
    """The output stays in the order of the node, time first."""
    file.maker("output").attribute[0].ints[:] = [0, 1, 2]


def left_sorted(file):
    """The batch stays in the order in which it was packed."""
    for name, axis in (("output", 0), ("h_n", 1)):
        maker = file.maker(name)
        assert maker.op_type == "Gather", maker.op_type
        maker.op_type = "Identity"
        del maker.input[1:], maker.attribute[:]
        assert axis >= 0


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


def joined_again(file, parts):
    """The two halves of the last layer's output, taken apart and joined otherwise."""
    y = file.nodes[-1].output[0]
    node = file.nodes[-1]
    node.output[0] = "y_whole"
    file.insert(node, "Concat", [f"half_{k}" for k in parts], [y], axis=1)
    file.insert(node, "Split", ["y_whole"], ["half_0", "half_1"], axis=1)


def turned_back(file):
    """The reverse half of the last layer's output stays in the order in which it was computed."""
    node = file.nodes[-1]
    y = node.output[0]
    node.output[0] = "y_whole"
    file.integers("from_end", [-1]), file.integers("to_start", [-(2**31)]), file.integers("time", [0])
    file.insert(node, "Concat", ["half_0", "half_turned"], [y], axis=1)
    file.insert(node, "Slice", ["half_1", "from_end", "to_start", "time", "from_end"], ["half_turned"])
    file.insert(node, "Split", ["y_whole"], ["half_0", "half_1"], axis=1)


def added(file):
    """The two halves added, in place of side by side."""
    output = file.graph.output[0].name
    file.integers("half_axis", [2])
    maker = file.maker(output)
    maker.output[list(maker.output).index(output)] = "output_whole"
    file.insert(maker, "Add", ["half_a", "half_b"], [output])
    file.insert(maker, "Split", ["output_whole"], ["half_a", "half_b"], axis=2)
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


def forget_state(file):
    """The node starts from nothing, whatever is given."""
    for node in file.nodes:
        del node.input[4:]


def first_state(file):
    """Every layer starts from the first one's state."""
    for place in (5, 6):
        file.rewire(file.nodes[1], place, file.nodes[0].input[place])


def swap_states(file):
    """h_0 is taken for c_0."""
    for node in file.nodes:
        node.input[5], node.input[6] = node.input[6], node.input[5]


def forget_lengths(file):
    """sequence_lens is not read."""
    for node in file.nodes:
        node.input[4] = ""


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


def one_direction(change, direction=1):
    """A change of one direction's parameters only."""
    def changed(file):
        for node in file.nodes:
            parts = file.read(node)
            parts[direction] = {**parts[direction], **change(**parts[direction])}
            file.write(node, parts)

    return changed


def misread(order, kind, keys=("w", "r", "bi", "bh")):
    """Gates read in a wrong order."""
    def change(**own):
        return {key: reorder(own[key], order, ORDER[kind]) for key in keys}

    return lambda file: file.each(change)


def each(change):
    """A change of every direction's parameters."""
    return lambda file: file.each(change)


def told(**attributes):
    """A change of what every node is told."""
    return lambda file: file.tell(**attributes)


def mistakes():
    """(the mistake, the right file, the change, whether judge can mend it)."""
    gru = ("gru", "gru-both")
    every = ("rnn", "lstm", "gru-both")
    for name in every:
        yield "no-bias-hh", name, each(lambda w, r, bi, bh: {"bh": bh * 0}), True
        yield "no-bias-ih", name, each(lambda w, r, bi, bh: {"bi": bi * 0}), True
        yield "no-bias", name, lambda file: [file.rewire(node, 3, "") for node in file.nodes], True
        yield "bias-ih-twice", name, each(lambda w, r, bi, bh: {"bh": bi}), True
        yield "bias-hh-twice", name, each(lambda w, r, bi, bh: {"bi": bh}), True
        yield "transposed-weight_hh", name, each(lambda w, r, bi, bh: {"r": gates(r)}), True
        yield "negated-weight_ih", name, each(lambda w, r, bi, bh: {"w": -w}), True
        yield "negated-weight_hh", name, each(lambda w, r, bi, bh: {"r": -r}), True
        yield "negated-weights", name, each(lambda w, r, bi, bh: {"w": -w, "r": -r}), True
        yield "stored-transposed-weight_ih", name, each(lambda w, r, bi, bh: {"w": columns(w)}), True
        yield "float16-weights", name, each(lambda **own: {k: half(x) for k, x in own.items()}), True
        yield "bfloat16-weights", name, each(lambda **own: {k: brain(x) for k, x in own.items()}), True
    for name in ("lstm", "gru-both"):
        yield "stored-transposed-weight_hh", name, each(lambda w, r, bi, bh: {"r": columns(r)}), True
        yield "stored-transposed-weights", name, each(lambda w, r, bi, bh: {"w": columns(w), "r": columns(r)}), True
    for name in gru:
        yield "merged-biases", name, each(lambda w, r, bi, bh: {"bi": bi + bh, "bh": bh * 0}), True
        yield "swapped-biases", name, each(lambda w, r, bi, bh: {"bi": bh, "bh": bi}), True
        yield "update-swapped", name, each(negate_update), True
        yield "reset-before", name, told(linear_before_reset=None), True
    yield "reset-before", "gru-dynamo", told(linear_before_reset=0), True  # as onnxscript 0.6.2 wrote it
    for name in ("lstm-square", "gru-square"):
        yield "transposed-weight_ih", name, each(lambda w, r, bi, bh: {"w": gates(w)}), True
        yield "transposed-weights", name, each(lambda w, r, bi, bh: {"w": gates(w), "r": gates(r)}), True
        yield "swapped-weights", name, each(lambda w, r, bi, bh: {"w": r, "r": w}), True
    for order in orders("LSTM"):
        yield f"gates-{order}", "lstm", misread(order, "LSTM"), True
    for order in orders("GRU"):
        yield f"gates-{order}", "gru", misread(order, "GRU"), True
    for order in ("iofg", "ifog"):
        yield f"bias-gates-{order}", "lstm", misread(order, "LSTM", ("bi", "bh")), True
    yield "bias-gates-zrn", "gru", misread("zrn", "GRU", ("bi", "bh")), True
    yield "gates-iofg", "lstm-both-2", misread("iofg", "LSTM"), True
    yield "gates-iofg", "lstm-head", misread("iofg", "LSTM"), True
    yield "gates-zrn", "gru-both", misread("zrn", "GRU"), True
    for name, direction in (("gru-both", 1), ("gru-2", 0)):
        for mistake, change in (
            ("transposed-weight_hh", lambda w, r, bi, bh: {"r": gates(r)}),
            ("gates-zrn", lambda **own: {key: reorder(x, "zrn", "rzn") for key, x in own.items()}),
            ("no-bias-hh", lambda w, r, bi, bh: {"bh": bh * 0}),
            ("negated-weight_ih", lambda w, r, bi, bh: {"w": -w}),
        ):
            yield mistake, name, one_direction(change, direction), True
    yield "forget-bias", "lstm", each(forget), True
    yield "units-permuted", "lstm", units, True
    yield "units-permuted", "gru", units, True
    hard = {"activation_alpha": [0.2], "activation_beta": [0.5]}
    hard6 = {"activation_alpha": [1 / 6], "activation_beta": [0.5]}
    yield "hard-sigmoid", "lstm", told(activations=["HardSigmoid", "Tanh", "Tanh"], **hard), True
    yield "hard-sigmoid", "gru", told(activations=["HardSigmoid", "Tanh"]), True
    yield "hard-sigmoid-6", "lstm", told(activations=["HardSigmoid", "Tanh", "Tanh"], **hard6), True
    yield "hard-sigmoid-6", "gru", told(activations=["HardSigmoid", "Tanh"], **hard6), True
    yield "relu-for-tanh", "lstm", told(activations=["Sigmoid", "Relu", "Relu"]), True
    yield "relu-for-tanh", "gru", told(activations=["Sigmoid", "Relu"]), True
    yield "relu-for-tanh", "rnn", told(activations=["Relu"]), True
    yield "tanh-for-relu", "rnn-relu", told(activations=None), True
    yield "sigmoid-for-tanh", "gru", told(activations=["Sigmoid", "Sigmoid"]), True
    yield "sigmoid-for-tanh", "rnn", told(activations=["Sigmoid"]), True
    line = {"activation_alpha": [1.0], "activation_beta": [0.0]}
    yield "linear-rnn", "rnn", told(activations=["Affine"], **line), True
    yield "no-outer-tanh", "lstm", told(activations=["Sigmoid", "Tanh", "Affine"], **line), True
    yield "activations", "lstm", told(activations=["Tanh", "Sigmoid", "Tanh"]), True
    yield "activations", "gru", told(activations=["Sigmoid", "Softsign"]), True
    for name in ("rnn", "lstm", "gru"):
        yield "clip", name, told(clip=0.25), True
    yield "input-forget", "lstm", told(input_forget=1), True
    yield "input-forget", "lstm-both-2", told(input_forget=1), True
    yield "peepholes", "lstm", peepholes, True
    yield "directions-swapped", "rnn-both", swap_directions, True
    yield "directions-swapped", "gru-both", swap_directions, True
    yield "reverse-weights-forward", "lstm-both-2", first_for_both, True
    yield "reverse-weights-forward", "gru-both", first_for_both, True
    yield "direction", "gru", told(direction="reverse"), True
    yield "direction", "rnn-relu", told(direction="reverse"), True
    yield "reverse-runs-forward", "rnn-both", lambda file: in_two(file, ("forward", "forward")), False
    yield "lengths-ignored-by-forward", "lstm-packed", lambda file: in_two(file, lengths=(False, True)), False
    yield "lengths-ignored-by-reverse", "lstm-packed", lambda file: in_two(file, lengths=(True, False)), False
    yield "batch-left-sorted", "gru-packed", left_sorted, False
    yield "batch-first-ignored", "gru-batch-first", time_first, False
    yield "batch-first-output-kept", "gru-batch-first", output_kept, False
    yield "batch-first-state", "gru-batch-first", lambda file: file.around("h_n", "Transpose", perm=[1, 0, 2]), False
    yield "output-flattened", "gru-batch-first", flattened, False
    yield "ones-squeezed", "gru", squeezed, False
    yield "dropout-in-eval", "lstm-both-2", drops, False
    for name in ("rnn-both", "gru-both"):
        yield "backward-unreversed", name, turned_back, False
        yield "forward-for-backward", name, lambda file: joined_again(file, [0, 0]), False
        yield "halves-swapped", name, lambda file: joined_again(file, [1, 0]), False
        yield "halves-added", name, added, False
        yield "h-n-swapped", name, lambda file: rows(file, [1, 0]), False
    yield "halves-swapped-last", "lstm-both-2", lambda file: joined_again(file, [1, 0]), False
    yield "direction-major", "lstm-both-2", lambda file: rows(file, [0, 2, 1, 3]), False
    yield "layers-top-down", "lstm-both-2", lambda file: rows(file, [2, 3, 0, 1]), False
    yield "layers-top-down", "lstm-2", lambda file: rows(file, [1, 0]), False
    yield "every-layer-reads-x", "lstm-2", layer_reads_input, False
    for name in ("rnn", "lstm", "gru"):
        yield "h-0-ignored", name, forget_state, True
    yield "h-0-of-layer-0", "lstm-2", first_state, False
    yield "states-swapped", "lstm", lambda file: swap_outputs(file, "h_n", "c_n"), False
    yield "state-pair-swapped", "lstm", swap_states, False
    yield "lengths-ignored", "lstm-packed", forget_lengths, False
    yield "lengths-ignored", "gru-packed", forget_lengths, False
    yield "fixed-batch", "rnn-relu", fixed_batch, True
    yield "fixed-batch", "lstm-both-2", fixed_batch, True
    yield "fixed-batch", "gru-both", fixed_batch, True
    yield "layout", "gru", told(layout=1), True


def line(name, file, mistake, mendable, ending=""):
    """What is kept of a file."""
    return {
        "name": name, "base": file.base, "mistake": mistake, "mendable": mendable,
        "onnx": base64.b64encode(file.bytes()).decode(),
    }  # fmt: skip


def made():
    """The whole text."""
    bases, files = {}, []
    for name, asked in BASES.items():
        file = File(name)
        state = {
            key: {"shape": list(x.shape), "data": [float(np.format_float_positional(v, unique=True)) for v in x.flat]}
            for key, x in file.state.items()
        }
        bases[name] = {"module": asked["module"], "args": asked["args"], "state_dict": state}
        files.append(line(name, file, None, False))
    for op in ("If", "function"):
        for name in ("gru", "lstm"):
            file = File(name)
            within(file, op)
            files.append(line(f"{name}-in-{op.lower()}", file, None, False))
    for name in ("rnn-both", "lstm-packed"):
        file = File(name)
        in_two(file)
        files.append(line(f"{name}-in-two", file, None, False))
    for op in ("If", "function"):
        file = File("gru")
        file.tell(linear_before_reset=0)
        within(file, op)
        files.append(line(f"gru-in-{op.lower()}/reset-before", file, "reset-before", True))
    for mistake, name, change, mendable in mistakes():
        file = File(name)
        change(file)
        again = sum(entry["name"].startswith(f"{name}/{mistake}") for entry in files)
        files.append(line(f"{name}/{mistake}{f'-{again + 1}' if again else ''}", file, mistake, mendable))
    for entry in files:
        onnx.checker.check_model(onnx.load_from_string(base64.b64decode(entry["onnx"])))
    text = ",\n".join(json.dumps(entry) for entry in files)
    states = ",\n".join(f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in bases.items())
    return f'{{"made": {{"pytorch": "2.15.0"}},\n"bases": {{\n{states}\n}},\n"files": [\n{text}\n]}}\n'


def main():
    """Write the file, or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    text = made()
    if options.check:
        same = TARGET.read_text() == text
        print("the same bytes" if same else "other bytes")
        sys.exit(0 if same else 1)
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(text)
    print(f"{len(json.loads(text)['files'])} files, {len(text)} bytes")


if __name__ == "__main__":
    main()
