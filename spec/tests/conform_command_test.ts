/**
 * The kit as a command (CONFORM-5, CONFORM-6): its options, its formats, its status, and that it runs
 * from a URL. Every test starts programs, so it needs `--allow-run`, which `deno task test` grants.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { withPermission } from "./law.ts";

const root = new URL("../../", import.meta.url).pathname;
const script = `${root}scripts/conform.ts`;
const deno = Deno.execPath();
const reference = [deno, "run", "--quiet", `${root}scripts/adapters/reference.ts`];
const misbehaving = (name: string) => [
  ...[deno, "run", "--quiet", "--no-prompt", `${root}spec/tests/wrong/programs.ts`, name],
];

interface Output {
  code: number;
  out: string;
  error: string;
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Runs a command and hears what it says. */
async function run(command: readonly string[], options: Deno.CommandOptions = {}): Promise<Output> {
  const [name, ...args] = command;
  const { code, stdout, stderr } = await new Deno.Command(name, { args, ...options }).output();
  return { code, out: text(stdout), error: text(stderr) };
}

const flags = ["--allow-read", "--allow-write", "--allow-run", "--allow-env=INIT_CWD"];
const kit = (
  ...args: string[]
) => [deno, "run", "--quiet", "--no-prompt", ...flags, script, ...args];
const conform = (...args: string[]) => run(kit(...args));

/** A folder for a test's files, made and removed by programs: this process may write nothing. */
async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = (await run(["mktemp", "-d"])).out.trim();
  try {
    await use(folder);
  } finally {
    await run(["rm", "-rf", folder]);
  }
}

function started(clauses: readonly string[], claim: string, body: () => Promise<void>): void {
  const name = `${clauses.join(", ")}: ${claim}`;
  const options = { sanitizeOps: false, sanitizeResources: false }; // what is killed may linger
  withPermission(name, [{ name: "run" }, { name: "read" }], body, options);
}

started(["CONFORM-6"], "a program that cannot be started ends the command, status 2", async () => {
  const { code, out, error } = await conform("--", "no-such-program-anywhere");
  assertEquals([code, out], [2, ""]);
  assertMatch(error, /^conform: no-such-program-anywhere cannot be started: .*\n.*--help/);
});

started(["CONFORM-6"], "a wrong command line ends with one line and status 2", async () => {
  const wrong: [string[], RegExp][] = [
    [[], /there is no command to examine/],
    [["--level", "hard", "--", "x"], /there is no level hard: core, family, edge, forward/],
    [["--filter", "nothing-like-it", "--", "x"], /no case has nothing-like-it in its id/],
    [["--sample", "-1", "--", "x"], /--sample/],
    [["--dtype", "float16", "--", "x"], /there is no dtype float16: float32, float64/],
    [["--format", "yaml", "--", "x"], /there is no format yaml: text, json, junit, markdown/],
    [["--surplus", "--", "x"], /--surplus/],
  ];
  for (const [args, says] of wrong) {
    const { code, out, error } = await conform(...args);
    assertEquals([code, out], [2, ""], args.join(" "));
    assertMatch(error, says);
  }
});

started(["CONFORM-5"], "filters add up, exclusions take away, a sample is spread", async () => {
  const json = async (...args: string[]) => {
    const { out } = await conform("--format", "json", ...args, "--", ...reference);
    return JSON.parse(out);
  };
  const ids = (report: { results: { id: string }[] }) => report.results.map(({ id }) => id);
  const both = await json("--level", "forward", "--filter", "gru/h0", "--filter", "lstm/bias");
  const found = ids(both);
  assert(found.some((id) => id.startsWith("gru/")) && found.some((id) => id.startsWith("lstm/")));
  const without = await json(
    ...["--level", "forward", "--filter", "gru/h0", "--filter", "lstm/bias"],
    ...["--exclude", "gru/", "--exclude", "bidirectional", "--dtype", "float64"],
  );
  assertEquals(
    ids(without),
    found.filter((id) => !/gru\/|bidirectional/.test(id) && id.endsWith("/float64")),
  );
  const some = await json("--chapter", "rnn,gru,cells", "--sample", "6");
  assertEquals(some.chapters.map(({ cases }: { cases: number }) => cases), [2, 2, 2]);
  assertEquals(ids(some), ids(await json("--chapter", "rnn,gru,cells", "--sample", "6")));
});

started(["CONFORM-6"], "JSON, JUnit and Markdown say what was examined with what", async () => {
  const args = ["--chapter", "gru", "--level", "forward", "--sample", "4"];
  const say = (format: string) =>
    conform(...args, "--format", format, "--", ...misbehaving("merged-biases"));
  const version = (await conform("--version")).out;
  const json = await say("json");
  const report = JSON.parse(json.out);
  assertEquals([json.code, report.conforms], [1, false]);
  assert(version.includes(report.version) && version.includes(report.pytorch));
  assert(version.includes(report.goldens.slice(0, 12)) && report.goldens.length === 64);
  assert(report.command.endsWith("merged-biases"));
  const wrong = report.results.find(({ status }: { status: string }) => status === "wrong");
  assertEquals(wrong.module, "GRU");
  assert(wrong.args.hidden_size > 0 && wrong.reason && wrong.differences[0].where);
  assertEquals(wrong.diagnosis[0].id, "merged-biases");
  const junit = (await say("junit")).out;
  assertMatch(junit, /<testsuite name="[^"]*merged-biases" tests="4" failures="[1-4]" errors="0"/);
  assertMatch(junit, /<failure type="wrong" message="matches PyTorch if the two biases are merged/);
  const markdown = (await say("markdown")).out;
  assertMatch(markdown, /^# does not conform: [1-4] computed otherwise; 4 of 4 supported\n/);
  assertMatch(markdown, /\| gru \| 4 \|/);
});

started(["CONFORM-6"], "what was answered is kept, and not asked again", async () => {
  await inFolder(async (folder) => {
    const args = ["--chapter", "rnn", "--sample", "4", "--resume", `${folder}/kept.json`];
    const first = await conform(...args, "--", ...reference);
    assertEquals(first.code, 0, first.error);
    await run(["sed", "-i", "s/passed/unsupported/", `${folder}/kept.json`]);
    const again = await conform(...args, "--", ...reference);
    assertMatch(again.out, /conforms in rnn: 3 of 4 supported/);
    const other = await conform(...args, "--", "another-program");
    assertEquals(other.code, 2);
    assertMatch(other.error, /kept.json: it was made with command .*, not another-program/);
    await run(["sh", "-c", `echo '{"about": 1' > ${folder}/kept.json`]);
    const broken = await conform(...args, "--", ...reference);
    assertMatch(broken.error, /this is no file of an examination/);
  });
});

started(["CONFORM-6"], "when the time is over, the report is on what was put", async () => {
  const { out } = await conform("--max-time", "0.5", "--", ...misbehaving("never reads"));
  assertMatch(out, /ended early \(--max-time 0.5 s\), \d+ cases not put: so far does not conform/);
});

started(["CONFORM-6"], "a signal ends the examination with a report", async () => {
  const [name, ...args] = kit("--", ...misbehaving("answers the first"));
  const child = new Deno.Command(name, { args, stdout: "piped", stderr: "null" }).spawn();
  // The signal comes when the first answer is in, and again until the command has ended.
  const timer = setInterval(() => child.kill("SIGTERM"), 5000);
  const { code, stdout } = await child.output();
  clearInterval(timer);
  assertMatch(text(stdout), /ended early \(interrupted by SIGTERM\), \d+ cases not put/);
  assertEquals(code, 143);
});

started(["CONFORM-6"], "paths are relative to the caller's folder", async () => {
  await inFolder(async (folder) => {
    const program = `#!/bin/sh\\nexec ${reference.join(" ")}\\n`;
    await run(["sh", "-c", `printf '${program}' > ${folder}/mine; chmod +x ${folder}/mine`]);
    const env = { INIT_CWD: folder }; // as a task has it that was called from there
    const args = ["--chapter", "rnn", "--sample", "2", "--resume", "kept.json", "--", "./mine"];
    const { code, error } = await run(kit(...args), { env });
    assertEquals(code, 0, error);
    assertEquals((await run(["ls", folder])).out, "kept.json\nmine\n");
  });
});

withPermission(
  "CONFORM-6: the kit runs from a URL without a clone, from a server that says text/plain",
  [{ name: "net", host: "127.0.0.1" }, { name: "read" }, { name: "run" }],
  async () => {
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      async (request) => {
        const file = new URL(`.${new URL(request.url).pathname}`, `file://${root}`);
        try {
          const headers = { "content-type": "text/plain" };
          return new Response(await Deno.readTextFile(file), { headers });
        } catch {
          return new Response("not found", { status: 404 });
        }
      },
    );
    const address = `127.0.0.1:${server.addr.port}`;
    await inFolder(async (folder) => {
      const { code, out, error } = await run([
        ...[deno, "run", "--quiet", "--no-config", "--no-prompt", "--no-lock", "-R", "-W"],
        ...["--allow-run", `--allow-import=${address}`, `http://${address}/scripts/conform.ts`],
        ...["--chapter", "gru", "--sample", "3", "--", ...reference],
      ], { env: { DENO_DIR: folder } });
      assertEquals(code, 0, error);
      assertMatch(out, /conforms in gru: 3 of 3 supported/);
    });
    await server.shutdown();
  },
  { sanitizeOps: false, sanitizeResources: false },
);
