"""golden/schema.json: the JSON Schema of a golden file."""

NUMBER = {"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]}
TEXT, BOOLEAN, OBJECT = ({"type": kind} for kind in ("string", "boolean", "object"))


def integer(**more):
    return {"type": "integer", **more}


def array(items, **more):
    return {"type": "array", "items": items, **more}


def named(value):
    """An object whose values, whatever their names, are all `value`."""
    return {**OBJECT, "additionalProperties": value}


def shaped(required, **properties):
    """An object with these properties, all known, some required."""
    return {
        "type": "object", "properties": properties, "required": required.split(),
        "additionalProperties": False
    }


def told(description, value):
    return {"description": description, **value}


def ref(name):
    return {"$ref": f"#/$defs/{name}"}


def given(*others):
    """A tensor of a request: its numbers, or what they are drawn from."""
    return {"anyOf": [ref("tensor"), ref("drawn"), *others]}


SIZES = array(integer(minimum=0))
LENGTHS = array(integer())
TENSORS = named(ref("tensor"))
OPS = """
    forward vjp init repr print rand randn size notebook call loss optim train example line load
    inplace node
"""
REQUEST = shaped(
    "op",
    op={"enum": OPS.split()},
    module=TEXT,
    function=told(
        "the tensor function of op call, inplace or init, or of a vjp or print; of op example the "
        "program", TEXT
    ),
    args=told(
        "keyword arguments by PyTorch's names; of op node, attributes by ONNX's, each number of "
        "which is a float32", OBJECT
    ),
    dtype=ref("dtype"),
    opset=told("of op node: the version of ONNX's operators", integer()),
    training=BOOLEAN,
    seed=told(
        "a string where JSON numbers are not exact",
        {"anyOf": [integer(), {**TEXT, "pattern": "^-?[0-9]+$"}]}
    ),
    constructions=told(
        "how often the constructor runs after manual_seed; the last counts", integer(minimum=1)
    ),
    digest=told("answer with digests, not tensors", BOOLEAN),
    state_dict=named(given()),
    inputs={
        "type": "object",
        "properties": {"lengths": LENGTHS, "sequence_lens": LENGTHS},
        "additionalProperties": given(array(ref("tensor"))),
    },
    requires_grad=told(
        "of op inplace: the names of the inputs that require a gradient", array(TEXT)
    ),
    changes=told(
        "of op inplace: names of inputs, parameters or outputs that are said to have been changed "
        "in place after the forward pass; load_state_dict", array(TEXT)
    ),
    grad_outputs=TENSORS,
    wrt=told(
        "of op loss: the inputs whose gradient is wanted, not input alone",
        array({"enum": ["input", "target"]})
    ),
    gradients=told("of op optim: the steps stand along a new first dimension", TENSORS),
    groups=told(
        "of op optim: the names of each group's parameters, or of the one that stands where a "
        "list should",
        {"anyOf": [TEXT, array(shaped(
            "params args", params=array(TEXT), args=OBJECT,
            named=told("which are given with their names", array(BOOLEAN))
        ))]}
    ),
    before=told(
        "of op optim: who takes the first steps; its state is then loaded",
        shaped("optimizer steps", optimizer=ref("named"), steps=integer(minimum=1))
    ),
    change=told(
        "of op optim: what is set in every group before the step `at`",
        shaped("at args", at=integer(minimum=0), args=OBJECT)
    ),
    head=told("of op train: arguments of a Linear on top", OBJECT),
    window=told(
        "of op train: how many time steps a window has; the state goes on, detached, and the "
        "optimizer steps after each", integer()
    ),
    loss=ref("named"), optimizer=ref("named"), clip=ref("named"), scheduler=ref("named"),
    metrics=told("of op optim: what the schedule's step is given, after each step", array(NUMBER)),
    steps=integer(minimum=1),
    file=told(
        "a checkpoint, and which part of it is wanted",
        shaped(
            "format base64", format={"enum": ["torch", "safetensors"]},
            at=array({"type": ["string", "integer"]}), prefix=TEXT, widen=BOOLEAN,
            protocol=told("of the pickle, where not 2", integer()), base64=TEXT
        )
    )
)
DEFINITIONS = {
    "case": shaped(
        "id reason level clauses request expect",
        id={**TEXT, "pattern": "^[a-z]+(/[A-Za-z0-9_.-]+)+$"},
        reason=told("why the case exists", {**TEXT, "minLength": 1}),
        level=told(
            "core: one layer or cell, one direction, batched, time first, finite, float32; family: "
            "all else that modules, losses and optimisers do; edge: nothing, NaN and infinity, "
            "projections, other dtypes, errors, words, whole files",
            {"enum": ["core", "family", "edge"]}
        ),
        clauses=told(
            "the clauses of spec/ that the case bears on",
            array({**TEXT, "pattern": "^[A-Z]+-[0-9]+$"}, uniqueItems=True)
        ),
        sources=told(
            "of op node, which PyTorch has no name for: who answers so", array(TEXT, minItems=2)
        ),
        request=ref("request"), expect=ref("expect")
    ),
    "tensor": told(
        "flat, row-major; `dtype` only where it is not the request's; indices and lengths are "
        "int64",
        shaped(
            "shape data", shape=SIZES, data=array(NUMBER),
            dtype={"enum": ["float32", "float64", "int64", "bool"]}
        )
    ),
    "drawn": told(
        "a big tensor of a request: element k, row by row, is ((x >> 16) mod 2001 - 1000) / "
        "divisor, where x is the (k + 1)th state after the seed of x -> (1664525 x + 1013904223) "
        "mod 2^32; golden/README.md has it in code",
        shaped(
            "shape draw", shape=SIZES,
            draw=shaped("seed divisor", seed=integer(minimum=0), divisor=integer(minimum=1))
        )
    ),
    "digest": told(
        "a big tensor: a hash of its little-endian bytes, its first elements",
        shaped(
            "shape sha256 first", shape=SIZES, sha256={**TEXT, "pattern": "^[0-9a-f]{64}$"},
            first=array(NUMBER, maxItems=4)
        )
    ),
    "dtype": {"enum": ["float32", "float64"]},
    "named": told(
        "a class or function of PyTorch's, with its arguments",
        shaped("name args", name=TEXT, args=OBJECT)
    ),
    "request": REQUEST,
    "expect": {
        "type": "object",
        "properties": {
            "outputs": named({"anyOf": [ref("tensor"), array(ref("tensor"))]}),
            "state_dict": named({"anyOf": [ref("tensor"), ref("digest")]}),
            "grads": shaped("inputs state_dict", inputs=TENSORS, state_dict=TENSORS),
            "value": {"description": "what a checkpoint holds: see lib/conformance/pair.ts"},
            "metadata": named(TEXT),
            "optimizer_state": shaped(
                "state param_groups", state=named(TENSORS), param_groups=array(OBJECT)
            ),
            "scheduler_state": told("by PyTorch's names", OBJECT),
            "repr": TEXT,
            "print": TEXT,
            "error": shaped("type message", type=TEXT, message=TEXT),
        },
        "additionalProperties": False,
        "minProperties": 1,
    },
}
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "A golden file: requests and what PyTorch answers",
    **shaped(
        "chapter about cases", chapter={**TEXT, "pattern": "^[a-z]+$"}, about=TEXT,
        cases=array(ref("case"), minItems=1)
    ),
    "$defs": DEFINITIONS,
}
