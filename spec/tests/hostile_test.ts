/**
 * Broken and hostile checkpoints: each is loaded soundly or refused with one clear line. This is a
 * sample; `deno task hostile` tries hundreds of thousands, and measures memory.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { CheckpointError, SimpleRNN, stateDictOf, tensor, type TorchValue } from "../../mod.ts";
import { parseCheckpoint } from "../../lib/checkpoints/mod.ts";
import { writeSafetensors } from "../../mod.ts";
import { campaign, truncations } from "../../scripts/hostile.ts";
import { seal } from "../../scripts/hostile/archive.ts";
import { bombs, safetensorsFile, torchFile } from "../../scripts/hostile/bombs.ts";
import { copies } from "../../scripts/hostile/copies.ts";
import { judge, seeds } from "../../scripts/hostile/judge.ts";
import { describe, fact } from "./law.ts";

/** The reason for which a file is refused. */
function refusal(bytes: Uint8Array): string {
  const { refused, fault, value } = judge(bytes);
  return refused ?? `not refused: ${fault ?? String(value)}`;
}

/** Asserts that each file is refused for the reason beside it. */
function refusals(files: readonly (readonly [Uint8Array, string])[]): void {
  for (const [bytes, reason] of files) {
    const found = refusal(bytes);
    assert(found.includes(reason), `wanted "${reason}", found "${found}"`);
  }
}

const entry = (shape: string, offsets: string, dtype = "F32") =>
  `{"dtype":"${dtype}","shape":[${shape}],"data_offsets":[${offsets}]}`;

describe("broken files", () => {
  fact(["CKPT-11"], "a file cut at any byte is refused", () => {
    const { faults, tried, refused } = truncations(
      seeds().filter(({ bytes }) => bytes.length <= 1560),
    );
    assertEquals([faults, refused], [[], tried]);
    assert(tried > 10_000, String(tried));
  });

  fact(["CKPT-11"], "a file changed at random is loaded soundly or refused clearly", () => {
    const { faults, tried, loaded, refused } = campaign(seeds(), 2500, 20);
    assertEquals(faults, []);
    assertEquals(loaded + refused, tried);
    assert(loaded > 100 && refused > 1000, `${loaded} loaded, ${refused} refused`);
  });

  fact(["CKPT-11"], "the goldens that all these begin with are sound", () => {
    for (const { id, bytes } of seeds()) assert(judge(bytes).value !== undefined, id);
  });

  fact(["CKPT-11"], "small files make nothing large", () => {
    const harmless = ["nothing in a list", "reals in a list", "texts", "long integers"];
    harmless.push("a header of empty tensors", "a header of metadata");
    // So many as this are still small.
    harmless.push(
      "lists of one item",
      "kept lists of one item",
      "lists of two items",
      "short texts",
    );
    harmless.push("truths in one batch", "one long tuple", "a header of short metadata");
    harmless.push("a header of 64 dimensions", "views of a half", "objects");
    for (const { name, make } of bombs(50_000)) {
      const { fault, value } = judge(make());
      assertEquals(fault, undefined, name);
      assert(value === undefined || harmless.includes(name), `${name} is loaded`);
    }
  });
});

/** What a file holds; `null` of one that is refused. */
function valueOf(bytes: Uint8Array): TorchValue {
  try {
    return parseCheckpoint(bytes).value;
  } catch (error) {
    assert(error instanceof CheckpointError, String(error));
    return null;
  }
}

describe("memory", () => {
  fact(["CKPT-11"], "a file of more than 1 MiB takes at most ten times its size", () => {
    setFlagsFromString("--expose-gc");
    const collect: () => void = runInNewContext("gc");
    const used = () => {
      collect();
      return Deno.memoryUsage().heapUsed;
    };
    let loaded = 0;
    for (const { name, make } of bombs(1_200_000)) {
      const bytes = make();
      if (bytes.length < 2 ** 20) continue;
      const held = [valueOf(bytes)];
      if (held[0] === null) continue; // what was made until then is free again
      loaded++;
      const copied = copies(held[0], bytes);
      const together = used();
      held.pop();
      const taken = together - used() + copied;
      // Beside the file itself.
      assert(taken <= 9 * bytes.length, `${name}: ${taken} bytes of ${bytes.length}`);
    }
    assert(loaded > 5, String(loaded));
  }, ["readable"]);
});

describe("hostile safetensors", () => {
  fact(["CKPT-11"], "headers that lie are refused", () => {
    refusals([
      [safetensorsFile(`{"a":${entry("1", "0,4")}}`, 3), "ends at byte 4 of 3"],
      [safetensorsFile(`{"a":${entry("1", "0,4")}}`, 5), "1 bytes at the end belong to no tensor"],
      [safetensorsFile(`{"a":${entry("2", "0,4")}}`, 4), "takes 8 bytes of F32 in shape [2]"],
      [safetensorsFile(`{"a":${entry("1", "4,8")}}`, 8), "leaves a hole before it"],
      [
        safetensorsFile(`{"a":${entry("2", "0,8")},"b":${entry("1", "4,8")}}`, 8),
        "overlaps the one before",
      ],
      [safetensorsFile(`{"a":${entry("1", "4,0")}}`, 4), "leaves a hole before it"],
      [safetensorsFile(`{"a":${entry("-1", "0,4")}}`, 4), "non-negative integers"],
      [safetensorsFile(`{"a":${entry("1.0", "0,4")}}`, 4), "non-negative integers"],
      [safetensorsFile(`{"a":${entry("9007199254740992", "0,4")}}`, 4), "beyond 2^53"],
      [safetensorsFile(`{"a":${entry("4294967296,4294967296", "0,4")}}`, 4), "than numbers count"],
      [safetensorsFile(`{"a":${entry("3", "0,1", "F4")}}`, 1), "does not fill whole bytes"],
      [safetensorsFile(`{"a":${entry("1", "0,4", "F33")}}`, 4), 'unknown dtype "F33"'],
      [safetensorsFile(`{"a":${entry("1", "0,4")},"a":${entry("1", "0,4")}}`, 4), "comes twice"],
      [safetensorsFile(`{"a":${entry("1", "0,4")}}x`, 4), "something after the header's end"],
      [safetensorsFile(`{"a":{"dtype":"F32","shape":[1]}}`, 4), "lacks a dtype, a shape or two"],
      [safetensorsFile(`{"__metadata__":{"a":1}}`), 'expected "\\""'],
      [
        safetensorsFile(`{"a\\ud800":${entry("1", "0,4")}}`, 4),
        "an escape that JSON does not have",
      ],
      [safetensorsFile(`{"a":${"[".repeat(9000)}`), 'expected "{"'],
    ]);
    const invalid = safetensorsFile(`{"a":${entry("1", "0,4")}}`, 4);
    invalid[10] = 0xff;
    refusals([[invalid, "not UTF-8"]]);
    const claims = safetensorsFile(`{"a":${entry("1", "0,4")}}`, 4);
    claims[2] = 1;
    refusals([[claims, "the header claims"]]);
  });

  fact(["CKPT-11"], "a name that means something to JavaScript is a name like others", () => {
    const file = safetensorsFile(`{"__proto__":${entry("1", "0,4")}}`, 4);
    const state = stateDictOf(parseCheckpoint(file).value);
    assertEquals(Object.keys(state), ["__proto__"]);
    assertEquals(Object.getPrototypeOf(state), Object.prototype);
    assertEquals(({} as Record<string, unknown>).dtype, undefined);
  });
});

describe("hostile archives", () => {
  const plain = torchFile("}");
  const record = (name: string, data = new Uint8Array(4)) => ({ name, data });

  fact(["CKPT-11"], "entries that are not plain files in the archive are refused", () => {
    const view = new DataView(plain.buffer);
    let central = 0;
    while (view.getUint32(central, true) !== 0x02014b50) central++;
    const patched = (at: number, ...bytes: number[]) => {
      const copy = plain.slice();
      copy.set(bytes, central + at);
      return copy;
    };
    refusals([
      [patched(10, 8), 'entry "archive/data.pkl" is compressed (deflate)'],
      [patched(10, 99), "is compressed (method 99)"],
      [patched(8, 1), "is encrypted"],
      [patched(38, 0x10), "is a directory"],
      [patched(42, 0xff, 0xff), "is not at byte 65535"],
      [patched(20, 0xff, 0xff, 0xff, 0x7f), "yet has two sizes"],
      [patched(20, 0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0), "claims 65535 bytes, more than there are"],
      [patched(20, 9, 0, 0, 0, 9, 0, 0, 0), "do not have its checksum"],
      [patched(16, 1, 2, 3, 4), "is damaged"],
      [seal([record("../../etc/passwd")]), "points outside the archive"],
      [seal([record("/etc/passwd")]), "points outside the archive"],
      [seal([record("a\\b")]), "points outside the archive"],
      [seal([record("a"), record("a")]), "comes twice"],
      [seal([record("archive/data")]), "no data.pkl"],
      [seal([record("a/data.pkl"), record("a/constants.pkl")]), "a TorchScript archive"],
      [Uint8Array.of(0x80, 2, 0x8a, 10), "before PyTorch 1.6"],
      [new Uint8Array(), "the file is empty"],
    ]);
  });
});

describe("hostile pickles", () => {
  fact(["CKPT-6", "CKPT-11"], "nothing but what a state_dict needs is answered for", () => {
    refusals([
      [torchFile("cos\nsystem\n"), 'data.pkl: byte 2: "os.system" is not one of the names'],
      [torchFile("c__builtin__\neval\n"), '"__builtin__.eval"'],
      [torchFile("cbuiltins\ngetattr\n"), '"builtins.getattr"'],
      [torchFile("ctorch\nload\n"), '"torch.load"'],
      [torchFile("c__main__\nSimpleRNN\n"), '"__main__.SimpleRNN"'],
      [torchFile("X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93"), '"os.system"'],
      [torchFile("(i__main__\nA\n"), "byte 3: instruction 0x69 (INST)"],
      [torchFile("ccollections\nOrderedDict\n)\x81"), "instruction 0x81 (NEWOBJ)"],
      [torchFile("\x82\x01"), "instruction 0x82 (EXT1)"],
      [torchFile("P0\n"), "instruction 0x50 (PERSID)"],
      [torchFile("I1\n"), "instruction 0x49 (INT)"],
      [
        torchFile("ctorch\nFloatStorage\n)R"),
        "a call of torch.FloatStorage with arguments that PyTorch does not write",
      ],
      [torchFile("X\x01\x00\x00\x00a)R"), "REDUCE calls something that is no name"],
      [torchFile("ccollections\nOrderedDict\n]R"), "REDUCE without a tuple"],
      [torchFile("ctorch\nFloatStorage\n"), "a class or a storage stands where a value should"],
      [torchFile("NQ"), "a persistent id that is no storage"],
      [torchFile("}N(K\x01K\x02u"), "SETITEM on no dict"],
      [torchFile("}]Ns"), "neither text nor an integer"],
      [torchFile("Nr\xff\xff\xff\x7f"), "out of turn"],
      [torchFile("h\x00"), "nothing is kept under 0"],
      [torchFile("]q\x00h\x00a"), "contain themselves"],
      [torchFile("NN"), "STOP leaves values behind"],
      [torchFile("N.N"), "something after STOP"],
      [torchFile("X\xff\xff\xff\xff"), "the pickle ends in the middle"],
      [torchFile("X\x01\x00\x00\x00\xff"), "text that is not UTF-8"],
      [torchFile("]Nb"), "BUILD sets attributes"],
    ]);
  });
});

describe("nothing is half loaded", () => {
  fact(["CKPT-9", "CKPT-11"], "what does not fit leaves the model as it was", () => {
    const model = new SimpleRNN(2, 3, 1);
    const before = writeSafetensors(model.stateDict());
    const other = { ...new SimpleRNN(2, 3, 1).stateDict(), "fc.bias": tensor([1, 2]) };
    assertThrows(() => model.loadStateDict(other), Error, "size mismatch for fc.bias");
    assertEquals(writeSafetensors(model.stateDict()), before);
    assertThrows(() => stateDictOf(parseCheckpoint(torchFile("]")).value), CheckpointError);
  });
});
