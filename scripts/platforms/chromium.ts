/**
 * The built bundle in a headless Chromium: a page, a worker, a page where threads can share memory,
 * one with a strict content policy, and one whose server calls the bundle plain text.
 */

/** What a page says of itself. */
interface Said {
  /** What {@linkcode trial} found. */
  readonly found?: {
    readonly paths: readonly string[];
    readonly threads: number;
    readonly onDemand: boolean;
  };
  /** What the library told the console. */
  readonly notes: readonly string[];
  readonly error?: string;
}

/** One page: what it runs, how it is served, and what it must say. */
interface Page {
  /** The lines that import the library as `rnn`. */
  readonly load: string;
  /** The headers of all that belongs to the page. */
  readonly headers?: Record<string, string>;
  readonly worker?: boolean;
  readonly right: (said: Said) => boolean;
}

const plain = 'const rnn = await import("/rnn-spec.js");';

/** Whether every path was found, this number of threads, and the reader of ONNX files, or not. */
const all = (threads: number, onDemand = true) => ({ found, notes }: Said) =>
  found?.paths.length === 3 && found.threads === threads && found.onDemand === onDemand &&
  notes.length === 0;

const pages: Record<string, Page> = {
  "a page": { load: plain, right: all(1) },
  "a module worker": { load: plain, worker: true, right: all(1) },
  "an isolated page, two threads": {
    load: plain,
    headers: {
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-embedder-policy": "require-corp",
    },
    right: all(2),
  },
  "a strict content policy": {
    load: plain,
    headers: { "content-security-policy": "script-src 'self'" },
    // No WebAssembly: the readable path alone, and one note that says so.
    right: ({ found, notes }) =>
      String(found?.paths) === "readable" && found!.onDemand && notes.length === 1,
  },
  "the bundle without training": {
    load: 'const rnn = await import("/inference.js");',
    right: all(1),
  },
  "a server that says text/plain": {
    // Browsers refuse such a module by its address; as a blob it is one.
    load: `
      const text = await (await fetch("/plain.js")).text();
      const rnn = await import(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));`,
    right: all(1, false),
  },
};

/** The program of a page, or of its worker. */
function program({ load }: Page, tell: string): string {
  return `
    import { trial } from "/trial.js";
    const notes = [];
    console.warn = (text) => notes.push(String(text));
    const tell = ${tell};
    try {
      ${load}
      await tell({ found: await trial(rnn), notes });
    } catch (error) {
      await tell({ error: String(error?.stack ?? error), notes });
    }
  `;
}

/** Removes a folder that processes about to end may still write to. */
async function removed(folder: string): Promise<void> {
  for (let tries = 0; tries < 50; tries++) {
    try {
      return await Deno.remove(folder, { recursive: true });
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/**
 * Opens every page, one after the other.
 *
 * @param folder where the bundles are
 * @param report told of each page, as soon as it has answered
 */
export async function chromium(
  folder: string,
  executable: string,
  report: (name: string, right: boolean, said: string) => void,
): Promise<void> {
  const script = async (path: string | URL) =>
    [await Deno.readTextFile(path), "text/javascript"] as const;
  const bundles: Record<string, readonly [body: string, type: string]> = {};
  for (
    const name of ["rnn-spec", "inference", "rnn-spec-torch", "inference-torch", "onnx-weights"]
  ) {
    bundles[`/${name}.js`] = await script(`${folder}/${name}.js`);
  }
  const trial = await script(new URL("./trial.js", import.meta.url));
  const tell = '(said) => fetch("/said", { method: "POST", body: JSON.stringify(said) })';
  for (const [name, page] of Object.entries(pages)) {
    const start = page.worker
      ? 'new Worker("/worker.js", { type: "module" });'
      : program(page, tell);
    const files: Record<string, readonly [body: string, type: string]> = {
      "/": ['<!doctype html><script type="module" src="/page.js"></script>', "text/html"],
      "/page.js": [start, "text/javascript"],
      "/worker.js": [program(page, tell), "text/javascript"],
      "/trial.js": trial,
      ...bundles,
      "/plain.js": [bundles["/rnn-spec.js"][0], "text/plain"],
    };
    const said = Promise.withResolvers<Said>();
    const server = Deno.serve({ port: 0, onListen: () => {} }, async (request) => {
      if (request.method === "POST") {
        said.resolve(await request.json());
        return new Response();
      }
      const [body, type] = files[new URL(request.url).pathname] ?? [null, "text/plain"];
      const headers = { "content-type": type, ...page.headers };
      return new Response(body, { status: body === null ? 404 : 200, headers });
    });
    const profile = await Deno.makeTempDir();
    const browser = new Deno.Command(executable, {
      args: [
        ...["--headless", "--no-sandbox", "--disable-gpu", `--user-data-dir=${profile}`],
        ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
        `http://localhost:${server.addr.port}/`,
      ],
      stdout: "null",
      stderr: "null",
    }).spawn();
    const limit = setTimeout(
      () => said.resolve({ error: "no answer within a minute", notes: [] }),
      60_000,
    );
    const answer = await said.promise;
    clearTimeout(limit);
    browser.kill();
    await browser.status;
    await server.shutdown();
    await removed(profile);
    report(name, !answer.error && page.right(answer), answer.error ?? JSON.stringify(answer));
  }
}
