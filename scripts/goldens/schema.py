"""golden/schema.json: the JSON Schema of a golden file."""

NUMBER = {"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]}
SIZES = {"type": "array", "items": {"type": "integer", "minimum": 0}}
LENGTHS = {"type": "array", "items": {"type": "integer"}}


def named(value):
    """An object whose values, whatever their names, are all `value`."""
    return {"type": "object", "additionalProperties": value}


def shaped(required, **properties):
    """An object with these properties, all known, some required."""
    return {
        "type": "object", "properties": properties, "required": required,
        "additionalProperties": False
    }


def ref(name):
    """A reference to a definition."""
    return {"$ref": f"#/$defs/{name}"}


def one_or_more(name):
    """One such thing, or a list of them."""
    return {"anyOf": [ref(name), {"type": "array", "items": ref(name)}]}


def given(*others):
    """A tensor of a request: its numbers, or what they are drawn from."""
    return {"anyOf": [ref("tensor"), ref("drawn"), *others]}


TEXT = {"type": "string"}
INTEGER = {
    "description": "a string where JSON numbers are not exact",
    "anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^-?[0-9]+$"}],
}

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "A golden file: requests and what PyTorch answers",
    **shaped(
        ["chapter", "about", "cases"], chapter={"type": "string", "pattern": "^[a-z]+$"},
        about=TEXT, cases={"type": "array", "items": ref("case"), "minItems": 1}
    ),
    "$defs": {
        "case": shaped(
            ["id", "reason", "level", "clauses", "request", "expect"],
            id={"type": "string", "pattern": "^[a-z]+(/[A-Za-z0-9_.-]+)+$"},
            reason={"description": "why the case exists", "type": "string", "minLength": 1},
            level={
                "description": "core: one layer or cell, one direction, batched, time first, finite, "
                "float32; family: all else that modules, losses and optimisers do; edge: nothing, NaN "
                "and infinity, projections, other dtypes, errors, words, whole files",
                "enum": ["core", "family", "edge"],
            },
            clauses={
                "description": "the clauses of spec/ that the case bears on",
                "type": "array",
                "items": {"type": "string", "pattern": "^[A-Z]+-[0-9]+$"},
                "uniqueItems": True,
            },
            sources={
                "description": "of op node, which PyTorch has no name for: who answers so",
                "type": "array", "items": TEXT, "minItems": 2
            },
            request=ref("request"), expect=ref("expect")
        ),
        "tensor": {
            "description": "flat, row-major; `dtype` only where it is not the request's; "
            "indices and lengths are int64",
            **shaped(
                ["shape", "data"], shape=SIZES, data={"type": "array", "items": NUMBER},
                dtype={"enum": ["float32", "float64", "int64", "bool"]}
            ),
        },
        "drawn": {
            "description": "a big tensor of a request: element k, row by row, is ((x >> 16) mod 2001 - "
            "1000) / divisor, where x is the (k + 1)th state after the seed of x -> (1664525 x + "
            "1013904223) mod 2^32; golden/README.md has it in code",
            **shaped(
                ["shape", "draw"], shape=SIZES,
                draw=shaped(
                    ["seed", "divisor"], seed={"type": "integer", "minimum": 0},
                    divisor={"type": "integer", "minimum": 1}
                )
            ),
        },
        "digest": {
            "description": "a big tensor: a hash of its little-endian bytes, its first elements",
            **shaped(
                ["shape", "sha256", "first"], shape=SIZES,
                sha256={"type": "string", "pattern": "^[0-9a-f]{64}$"},
                first={"type": "array", "items": NUMBER, "maxItems": 4}
            ),
        },
        "dtype": {"enum": ["float32", "float64"]},
        "named": {
            "description": "a class or function of PyTorch's, with its arguments",
            **shaped(["name", "args"], name=TEXT, args={"type": "object"}),
        },
        "request": shaped(
            ["op"],
            op={
                "enum": [
                    "forward",
                    "vjp",
                    "init",
                    "repr",
                    "print",
                    "rand",
                    "randn",
                    "size",
                    "notebook",
                    "call",
                    "loss",
                    "optim",
                    "train",
                    "example",
                    "line",
                    "load",
                    "inplace",
                    "node",
                ]
            },
            module=TEXT,
            function={
                "description": "the tensor function of op call, inplace or init, or of a vjp or print; of op example the program",
                **TEXT,
            },
            args={
                "description": "keyword arguments by PyTorch's names; of op node, attributes by "
                "ONNX's, each number of which is a float32",
                "type": "object",
            },
            dtype=ref("dtype"),
            opset={"description": "of op node: the version of ONNX's operators", "type": "integer"},
            training={"type": "boolean"}, seed=INTEGER,
            constructions={
                "description": "how often the constructor runs after manual_seed; the last counts",
                "type": "integer", "minimum": 1
            },
            digest={"description": "answer with digests, not tensors", "type": "boolean"},
            state_dict=named(given()),
            inputs={
                "type": "object",
                "properties": {"lengths": LENGTHS, "sequence_lens": LENGTHS},
                "additionalProperties": given({"type": "array", "items": ref("tensor")}),
            },
            requires_grad={
                "description": "of op inplace: the names of the inputs that require a gradient",
                "type": "array", "items": TEXT
            },
            changes={
                "description": "of op inplace: names of inputs, parameters or outputs that are "
                "said to have been changed in place after the forward pass; load_state_dict",
                "type": "array", "items": TEXT
            },
            grad_outputs=named(ref("tensor")),
            wrt={
                "description": "of op loss: the inputs whose gradient is wanted, not input alone",
                "type": "array",
                "items": {"enum": ["input", "target"]},
            },
            gradients={
                "description": "of op optim: the steps stand along a new first dimension",
                **named(ref("tensor")),
            },
            groups={
                "description": "of op optim: the names of each group's parameters, or of the one "
                "that stands where a list should",
                "anyOf": [
                    TEXT,
                    {
                        "type": "array",
                        "items": shaped(
                            ["params", "args"], params={"type": "array", "items": TEXT},
                            args={"type": "object"},
                            named={
                                "description": "which are given with their names",
                                "type": "array",
                                "items": {"type": "boolean"},
                            }
                        ),
                    },
                ],
            },
            before={
                "description": "of op optim: who takes the first steps; its state is then loaded",
                **shaped(
                    ["optimizer", "steps"], optimizer=ref("named"),
                    steps={"type": "integer", "minimum": 1}
                ),
            },
            change={
                "description": "of op optim: what is set in every group before the step `at`",
                **shaped(
                    ["at", "args"], at={"type": "integer", "minimum": 0}, args={"type": "object"}
                ),
            },
            head={"description": "of op train: arguments of a Linear on top", "type": "object"},
            window={
                "description": "of op train: how many time steps a window has; the state goes on, "
                "detached, and the optimizer steps after each",
                "type": "integer",
            },
            loss=ref("named"), optimizer=ref("named"), clip=ref("named"), scheduler=ref("named"),
            metrics={
                "description": "of op optim: what the schedule's step is given, after each step",
                "type": "array", "items": NUMBER
            },
            steps={"type": "integer", "minimum": 1},
            file={
                "description": "a checkpoint, and which part of it is wanted",
                **shaped(
                    ["format", "base64"], format={"enum": ["torch", "safetensors"]},
                    at={"type": "array", "items": {"type": ["string", "integer"]}}, prefix=TEXT,
                    widen={"type": "boolean"},
                    protocol={"description": "of the pickle, where not 2", "type": "integer"},
                    base64=TEXT
                ),
            }
        ),
        "expect": {
            "type": "object",
            "properties": {
                "outputs": named(one_or_more("tensor")),
                "state_dict": named({"anyOf": [ref("tensor"), ref("digest")]}),
                "grads": shaped(
                    ["inputs", "state_dict"], inputs=named(ref("tensor")),
                    state_dict=named(ref("tensor"))
                ),
                "value": {"description": "what a checkpoint holds: see lib/conformance/pair.ts"},
                "metadata": named(TEXT),
                "optimizer_state": shaped(
                    ["state", "param_groups"], state=named(named(ref("tensor"))),
                    param_groups={"type": "array", "items": {"type": "object"}}
                ),
                "scheduler_state": {"description": "by PyTorch's names", "type": "object"},
                "repr": TEXT,
                "print": TEXT,
                "error": shaped(["type", "message"], type=TEXT, message=TEXT),
            },
            "additionalProperties": False,
            "minProperties": 1,
        },
    },
}
