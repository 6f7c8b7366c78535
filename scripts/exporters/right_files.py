"""Right files, by both of PyTorch's exporters, each with what it is of, and what may be changed in it."""

import numpy as np
import onnx
import torch
import torch_export
from onnx import TensorProto, helper, numpy_helper

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
        self.only = None  # the one direction whose parameters are to change
        data, state = torch_export.export(self.asked)
        self.state = {key: value.numpy() for key, value in state.items()}
        self.model = onnx.load_from_string(data)
        self.graph = self.model.graph
        self.kind = self.asked["module"]
        self.nodes = [node for node in self.graph.node if node.op_type == self.kind]

    def bytes(self):
        return self.model.SerializeToString(deterministic=True)

    def tensor(self, name):
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

    def directions(self, change):
        """Changes each node's parameters, a list with those of each direction."""
        for node in self.nodes:
            before, after = self.read(node), change(self.read(node))
            turned = range(len(before)) if self.only is None else [self.only]
            self.write(node, [(after if d in turned else before)[d] for d in range(len(before))])

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
        return self.graph.node[place]

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
