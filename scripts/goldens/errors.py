"""Chapter errors, modules: what they refuse, with the type and the words of the exception."""

from .case import (
    Numbers, cell_weights, golden, linear_weights, of_dtype, once, rnn_weights, run, simple_weights
)

BASE = {"input_size": 3, "hidden_size": 4}
LINEAR = {"in_features": 3, "out_features": 2}
SIMPLE = {"input_size": 3, "hidden_size": 4, "num_layers": 1}


@golden("errors/constructors.json", "Arguments that no module can be made of.")
def constructors():
    """Arguments that no module can be made of. Asked with op repr: construct, then print."""
    rnn = [
        ("input-size-0", {"input_size": 0}, "No features in."),
        ("input-size-negative", {"input_size": -1}, "Fewer than none."),
        ("input-size-fraction", {"input_size": 2.5}, "Half a feature in."),
        ("input-size-text", {"input_size": "3"}, "A size as text."),
        ("input-size-none", {"input_size": None}, "No size at all."),
        ("hidden-size-0", {"hidden_size": 0}, "No features in the state."),
        ("hidden-size-negative", {"hidden_size": -2}, "Fewer than none."),
        ("hidden-size-fraction", {"hidden_size": 0.5}, "Half a feature in the state."),
        ("hidden-size-text", {"hidden_size": "4"}, "A size as text."),
        ("num-layers-0", {"num_layers": 0}, "No layers."),
        ("num-layers-negative", {"num_layers": -1}, "Fewer than none."),
        ("num-layers-fraction", {"num_layers": 1.5}, "A layer and a half."),
        ("num-layers-text", {"num_layers": "2"}, "Text is not compared with a number."),
        ("num-layers-none", {"num_layers": None}, "Nor is nothing."),
        ("dropout-none", {"dropout": None}, "Nothing is no number."),
        ("unknown", {"layers": 2}, "There is no such argument."),
        ("unknown-and-dropout", {"dropout": 2, "layers": 2}, "Names are looked at first."),
        ("nonlinearity", {"nonlinearity": "gelu"}, "Neither tanh nor relu."),
        ("nonlinearity-upper", {"nonlinearity": "TANH"}, "Names are in small letters."),
        ("nonlinearity-none", {"nonlinearity": None}, "No non-linearity."),
        ("bias-number", {"bias": 1}, "A number for a truth value."),
        ("bias-text", {"bias": "no"}, "A text for a truth value."),
        ("bias-none", {"bias": None}, "Nothing for a truth value."),
        ("batch-first-number", {"batch_first": 0}, "A number for a truth value."),
        ("batch-first-text", {"batch_first": "yes"}, "A text for a truth value."),
        ("dropout-negative", {"dropout": -0.1}, "A probability below 0."),
        ("dropout-above-1", {"dropout": 1.5}, "A probability above 1."),
        ("dropout-true", {"dropout": True}, "A truth value for a number."),
        ("dropout-text", {"dropout": "0.5"}, "A number as text."),
        ("dropout-word", {"dropout": "half"}, "A text that is no number."),
        ("two-wrong", {"input_size": 0, "hidden_size": 0}, "The first wrong argument is named."),
        ("three-wrong", {"dropout": 2, "bias": 1, "input_size": 0}, "Dropout is looked at first."),
    ]
    not_lstm = [
        ("proj-size", {"proj_size": 2}, "Projections are the LSTM's."),
        ("proj-size-first", {"proj_size": 2, "dropout": 2}, "They are looked at before all else."),
    ]
    lstm = [
        ("proj-size-negative", {"proj_size": -1}, "Fewer than no features in the projection."),
        ("proj-size-equal", {"proj_size": 4}, "A projection that does not make anything smaller."),
        ("proj-size-above", {"proj_size": 5}, "A projection to more than there is."),
        ("proj-size-fraction", {"proj_size": 1.5}, "A feature and a half."),
        ("proj-size-text", {"proj_size": "1"}, "Text is not compared with a number."),
        ("proj-size-last", {"proj_size": 9, "num_layers": 0}, "Layers are looked at before it."),
    ]
    cell = [
        ("input-size-negative", {"input_size": -3}, "Fewer than no features in."),
        ("hidden-size-negative", {"hidden_size": -2}, "Fewer than none: the message counts gates."),
        ("input-size-fraction", {"input_size": 2.5}, "Half a feature in."),
        ("hidden-size-fraction", {"hidden_size": 2.5}, "Half a feature, however many gates."),
        ("input-size-text", {"input_size": "3"}, "A size as text."),
        ("hidden-size-text", {"hidden_size": "4"}, "A size as text."),
        ("input-size-none", {"input_size": None}, "No size at all."),
        ("both-negative", {"input_size": -1, "hidden_size": -2}, "The first extent is named."),
    ]
    dropout = [
        ("p-negative", {"p": -0.5}, "A probability below 0."),
        ("p-minus-1", {"p": -1}, "A whole number stays as it was given."),
        ("p-above-1", {"p": 1.5}, "A probability above 1."),
        ("p-small", {"p": -0.00001}, "Python turns scientific below 1e-4."),
    ]
    gated = [entry for entry in rnn if "nonlinearity" not in entry[1]]
    linear = [
        ("in-features-negative", {"in_features": -1}, "Fewer than no features in."),
        ("out-features-negative", {"out_features": -2}, "Fewer than no features out."),
        ("in-features-fraction", {"in_features": 2.5}, "Half a feature in."),
        ("out-features-fraction", {"out_features": 1.5}, "Half a feature out."),
        ("in-features-text", {"in_features": "3"}, "A size as text."),
    ]
    simple = [
        ("input-size-0", {"input_size": 0}, "No features in."),
        ("hidden-size-0", {"hidden_size": 0}, "No features in the state."),
        ("num-layers-0", {"num_layers": 0}, "No layers."),
        ("hidden-size-fraction", {"hidden_size": 2.5}, "Half a feature in the state."),
    ]
    for module, base, cases in (
        ("RNN", BASE, rnn + not_lstm),
        ("LSTM", BASE, gated + lstm),
        ("GRU", BASE, gated + not_lstm),
        ("RNNCell", BASE, cell),
        ("LSTMCell", BASE, cell),
        ("GRUCell", BASE, cell),
        ("Dropout", {}, dropout),
        ("Linear", LINEAR, linear),
        ("SimpleRNN", SIMPLE, simple),
    ):
        for name, args, reason in cases:
            yield once(
                f"errors/{module}/constructor-{name}", reason, "ERROR-1 ERROR-6",
                "repr", module=module, args={**base, **args}
            )


def forward(module, name, reason, clauses, args, state, odd=(), **inputs):
    """A forward pass that PyTorch refuses; the inputs in `odd` have the other dtype."""
    for case in run(f"errors/{module}/{name}", reason, clauses, module, args, inputs, state):
        other = "float64" if case.request["dtype"] == "float32" else "float32"
        for key in odd:
            case.request["inputs"][key] = of_dtype(case.request["inputs"][key], other)
        yield case


def refusals(module, numbers, weights):
    """What makes cases of one recurrent module or cell: an input, a state, perhaps lengths."""

    def case(name, reason, clause, shape, h_0=None, c_0=None, odd=(), of=None, **args):
        args = {**BASE, **args}
        inputs = {"input": numbers.dyadic(*shape)}
        if h_0 is not None:
            inputs["h_0"] = numbers.dyadic(*h_0)
            if module.startswith("LSTM"):
                inputs["c_0"] = numbers.dyadic(*(h_0 if c_0 is None else c_0))
        if of is not None:
            inputs["lengths"] = list(of)
        yield from forward(module, name, reason, clause, args, weights(args), odd, **inputs)

    return case


@golden("errors/others.json", "Inputs that Linear and SimpleRNN refuse.")
def others():
    numbers = Numbers(7100)

    def asked(module, weights, base, clauses):
        def case(name, reason, shape, odd=(), **args):
            args = {**base, **args}
            state, value = weights(numbers, args), numbers.dyadic(*shape)
            yield from forward(module, name, reason, clauses, args, state, odd, input=value)

        return case

    linear = asked("Linear", linear_weights, LINEAR, "ERROR-2")
    simple = asked("SimpleRNN", simple_weights, SIMPLE, "ERROR-2 FC-1")
    dtype = "The input's dtype is not the weights'."
    for end, extra in (("", {}), ("-no-bias", {"bias": False})):
        for shape in ((4,), (5, 4), (2, 5, 4), (2, 1, 5, 2)):
            name = f"input-size-{len(shape)}d{end}"
            yield from linear(name, "Another number of features in.", shape, **extra)
        for shape in ((3,), (5, 3), (2, 5, 3)):
            name = f"input-dtype-{len(shape)}d{end}"
            yield from linear(name, dtype, shape, ["input"], **extra)
        yield from linear(f"input-0d{end}", "A single number has no features.", (), **extra)
    yield from simple("input-0d", "A single number has no batch.", ())
    yield from simple("input-1d", "A vector.", (3,))
    yield from simple("input-2d", "Unbatched input: the model's own state has a batch.", (5, 3))
    yield from simple("input-4d", "One dimension too many.", (1, 2, 5, 3))
    yield from simple("input-size", "Another number of features.", (2, 5, 1))
    yield from simple("length-0", "No steps.", (2, 0, 3))
    yield from simple("input-dtype", dtype, (2, 5, 3), ["input"])


@golden("errors/state_dicts.json", "Weights that are not the module's.")
def state_dicts():
    numbers = Numbers(7200)
    bare = {**BASE, "hidden_size": 2}
    two = {**bare, "num_layers": 2}
    plain = {**bare, "bias": False}

    def without(state, *names):
        return {k: v for k, v in state.items() if k not in names}

    value = numbers.dyadic(2, 1, 3)
    full = rnn_weights(numbers, bare)
    deep = rnn_weights(numbers, two)
    turned = {**full, "weight_ih_l0": numbers.dyadic(3, 2)}
    ranks = {**full, "weight_ih_l0": numbers.dyadic(6), "bias_ih_l0": numbers.dyadic(2, 1)}
    mixed = {**without(ranks, "bias_hh_l0"), "bias": numbers.dyadic(2)}
    linear = linear_weights(numbers, LINEAR)
    rows = numbers.dyadic(2, 3)
    longer = {**linear, "bias": numbers.dyadic(3)}
    simple = simple_weights(numbers, SIMPLE)
    batch = numbers.dyadic(1, 2, 3)
    gru, lstm = rnn_weights(numbers, bare, "GRU"), rnn_weights(numbers, bare, "LSTM")
    both_ways, projected = {**bare, "bidirectional": True}, {**bare, "proj_size": 1}
    cases = [
        ("RNN", "missing", "One tensor missing.", bare, without(full, "bias_hh_l0"), value),
        ("RNN", "missing-two", "Two missing: in the module's order.", bare,
         without(full, "bias_hh_l0", "weight_hh_l0"), value),
        ("RNN", "empty", "Every tensor missing.", bare, {}, value),
        ("RNN", "unexpected", "A tensor that the module has not.", plain, full, value),
        ("RNN", "second-layer", "The weights of one layer for two.", two, full, value),
        ("RNN", "two-layers", "The weights of two layers for one.", bare, deep, value),
        ("RNN", "shape", "A matrix transposed.", bare, turned, value),
        ("RNN", "rank", "Other numbers of dimensions.", bare, ranks, value),
        ("RNN", "everything", "Unexpected, then missing, then misshapen.", bare, mixed, value),
        ("Linear", "missing", "No bias.", LINEAR, without(linear, "bias"), rows),
        ("Linear", "unexpected", "A bias too many.", {**LINEAR, "bias": False}, linear, rows),
        ("Linear", "shape", "Another size.", LINEAR, longer, rows),
        ("SimpleRNN", "missing", "No output layer.", SIMPLE,
         without(simple, "fc.weight", "fc.bias"), batch),
        ("LSTM", "gates", "Three gates for four.", bare, gru, value),
        ("GRU", "gates", "Four gates for three.", bare, lstm, value),
        ("RNN", "gates", "Three gates for none.", bare, gru, value),
        ("GRU", "reverse", "No weights for the way back.", both_ways, gru, value),
        ("LSTM", "projection", "No projection: its weight is missing, and W_hh has another shape.",
         projected, lstm, value),
        ("LSTM", "no-projection",
         "A projection too many: its weight is not expected, and W_hh has another shape.", bare,
         rnn_weights(numbers, projected, "LSTM"), value),
    ]
    for module in ("RNNCell", "LSTMCell", "GRUCell"):
        state = rnn_weights(numbers, bare, module.removesuffix("Cell"))
        reason = "A layer's names: a cell's have no number."
        cases.append((module, "layer-names", reason, bare, state, value[0]))
        state = without(cell_weights(numbers, module, bare), "bias_ih")
        cases.append((module, "missing", "One bias missing.", bare, state, value[0]))
    unprefixed = {k.replace("rnn.", ""): v for k, v in simple.items()}
    shaped = {**simple, "fc.weight": numbers.dyadic(4, 1), "rnn.bias_ih_l0": numbers.dyadic(3)}
    cases += [
        ("SimpleRNN", "prefix", "Names without their module's.", SIMPLE, unprefixed, batch),
        ("SimpleRNN", "shape", "Two tensors of other shapes, in two modules.", SIMPLE, shaped,
         batch),
    ]
    for module, name, reason, args, state, given in cases:
        name = f"state-dict-{name}"
        yield from forward(module, name, reason, "ERROR-7", args, state, input=given)
