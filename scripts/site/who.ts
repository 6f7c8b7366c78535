/** The page of the matrix, and a page of its own for each mistake. */

import { marked } from "npm:marked@18.2.1";
import mistakesFile from "../../golden/mistakes.json" with { type: "json" };
import { commit, mistakes, select, type Task } from "../../lib/conformance/mod.ts";
import type { Listed } from "../mistakes.ts";
import { fits } from "./case.ts";
import { anchor, escape, page, read, renderer, root, scrolling } from "./html.ts";

const listed: readonly Listed[] = mistakesFile;

/** The cases by id: the forward passes, of which mistakes are shown. */
const tasks = new Map(select({ levels: ["forward"] }).map((task) => [task.id, task]));

/** Of each mistake that can be made on purpose, the smallest case that shows it. */
export const shown: ReadonlyMap<string, Task> = new Map(
  listed.flatMap(({ id, cases }) => cases.length ? [[id, tasks.get(cases[0])!]] : []),
);

/** The program that shows a bug, in its own language. */
async function programOf(name: string): Promise<string> {
  for (const file of [name, `${name}/main.go`, `${name}/src/main.rs`]) {
    const text = await read(`spec/bugs/${file}`).catch(() => null);
    if (text !== null) return text;
  }
  throw new Error(`no program ${name}`);
}

/** The chapter's file that has a clause, as the Spec page calls it, by clause. */
const href = (clause: string, heading: string) => `spec.html#${anchor(heading) || clause}`;

async function headings(): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const { name } of Deno.readDirSync(new URL("spec", root))) {
    if (!name.endsWith(".md") || name === "INDEX.md") continue;
    for (
      const [, heading, clause] of (await read(`spec/${name}`)).matchAll(
        /^#+ (([A-Z]+-\d+) — .*)$/gm,
      )
    ) {
      found.set(clause, heading.replaceAll(/[`*]/g, ""));
    }
  }
  return found;
}

/** The page of the matrix: every row leads to its reasons, every program can be read. */
export async function whoPage(): Promise<string> {
  const text = await read("spec/MATRIX.md");
  const titles = new Set([...text.matchAll(/^### (.*)$/gm)].map(([, title]) => title));
  const own = renderer("the matrix");
  own.heading = function ({ tokens, depth }) {
    const html = this.parser.parseInline(tokens);
    return `<h${depth} id="${anchor(html.replaceAll(/<[^>]*>/g, ""))}">${html}</h${depth}>`;
  };
  own.tablecell = function (token) {
    const html = this.parser.parseInline(token.tokens);
    const tag = token.header ? "th" : "td";
    if (titles.has(token.text)) {
      return `<th scope="row"><a href="#${anchor(token.text)}">${html}</a></th>`;
    }
    const kind = html === "✓" ? "right" : html === "–" ? "none" : /[✗!]/.test(html) ? "bad" : "";
    return `<${tag}${token.header ? ' scope="col"' : ""}${
      kind && ` class="${kind}"`
    }>${html}</${tag}>`;
  };
  const programs = new Map<string, string>();
  for (const [, name] of text.matchAll(/\]\(bugs\/([^)]*)\)/g)) {
    programs.set(name, await programOf(name));
  }
  own.link = function ({ href, tokens }) {
    const html = this.parser.parseInline(tokens);
    if (href.endsWith(".md")) return `<a href="spec.html#${href.slice(0, -3)}">${html}</a>`;
    const program = programs.get(href.replace("bugs/", ""));
    if (program === undefined) return html;
    return `<details class="program"><summary>${html}</summary><pre tabindex="0"><code>${
      escape(program)
    }</code></pre></details>`;
  };
  const rows = listed.map(({ id, says, clause, seen }) =>
    `<tr><th scope="row"><a href="mistakes/${id}.html">${id}</a></th><td>${
      escape(says)
    }</td><td>${clause}</td><td>${
      seen.map((title) => `<a href="#${anchor(title)}">${escape(title)}</a>`).join(", ")
    }</td></tr>`
  );
  return `${await marked.parse(text, { renderer: own })}
<h2 id="mistakes">The mistakes that the kit knows</h2>
<p>Each has a page: what it looks like, which clause it breaks, who was found to make it, and the
smallest case that shows it.</p>
${
    scrolling(
      "the mistakes",
      `<table><tr><th scope="col">mistake</th><th scope="col">what is done otherwise</th><th scope="col">clause</th><th scope="col">found in</th></tr>${
        rows.join("")
      }</table>`,
    )
  }`;
}

/** How many numbers of an output are shown. */
const most = 48;

/** What a mistake makes of the outputs of a case, beside PyTorch's, number by number. */
function beside(task: Task, id: string): string {
  const given = commit(mistakes.find((one) => one.id === id)!, task)!.outputs!;
  const wanted = task.expect.outputs!;
  const tables = Object.entries(wanted).map(([name, tensor]) => {
    const [right, wrong] = [tensor, given[name]] as { shape: number[]; data: unknown[] }[];
    const size = Math.max(right.data.length, wrong?.data.length ?? 0);
    const at = (k: number) => {
      let rest = k;
      return right.shape.toReversed().map((extent) => {
        const index = rest % extent;
        rest = Math.floor(rest / extent);
        return index;
      }).reverse().join(", ");
    };
    const cell = (value: unknown) =>
      value === undefined ? "" : typeof value === "number" ? value.toPrecision(7) : value;
    const rows = Array.from({ length: Math.min(size, most) }, (_, k) => {
      const [a, b] = [cell(right.data[k]), cell(wrong?.data[k])];
      return `<tr${a === b ? "" : ' class="off"'}><th scope="row">${name}[${
        k < right.data.length ? at(k) : k
      }]</th><td>${a}</td><td>${b}</td></tr>`;
    });
    const shape = (x?: { shape: number[] }) => x ? `(${x.shape.join(", ")})` : "missing";
    const other = String(right.shape) === String(wrong?.shape)
      ? ""
      : `; with the mistake ${shape(wrong)}`;
    return `<table><caption><code>${name}</code> ${
      shape(right)
    }${other}</caption><tr><td></td><th scope="col">PyTorch</th><th scope="col">with the mistake</th></tr>${
      rows.join("")
    }</table>${size > most ? `<p>and ${size - most} more</p>` : ""}`;
  });
  return scrolling("the outputs, side by side", tables.join(""));
}

/** What a case asks, in a line for each tensor. */
function asked(
  { request: { module, args, inputs = {}, state_dict = {}, training } }: Task,
): string {
  const words = Object.entries(args ?? {}).map(([name, value]) =>
    `${name}=${JSON.stringify(value)}`
  );
  const line = (name: string, value: unknown) => {
    const { shape, data } = value as { shape?: number[]; data?: readonly unknown[] };
    const list = data ?? value as unknown[];
    return `<tr><th scope="row">${name}</th><td>${shape ? `(${shape.join(", ")})` : ""}</td><td>${
      list.slice(0, most).join(", ")
    }${list.length > most ? ", …" : ""}</td></tr>`;
  };
  const rows = Object.entries({ ...inputs, ...state_dict }).map(([name, value]) =>
    line(name, value)
  );
  return `<p><code>${escape(`${module}(${words.join(", ")})`)}</code>${
    training ? ", in training mode" : ""
  }</p>${scrolling("the case", `<table>${rows.join("")}</table>`)}`;
}

/** The page of each mistake, by its name. */
export async function mistakePages(): Promise<Map<string, string>> {
  const known = await headings();
  return new Map(listed.map(({ id, says, clause, cases, seen }, k) => {
    const task = shown.get(id);
    const near = ([["The one before", listed[k - 1]], ["The next", listed[k + 1]]] as const)
      .flatMap(([text, one]) => one ? [`<a href="${one.id}.html">${text}: ${one.id}</a>`] : []);
    const flow = task && fits(task)
      ? ` <a href="../index.html#case=${
        encodeURIComponent(task.id)
      }">Open it in Flow</a>, as PyTorch computes it.`
      : "";
    const body = `<h1>${id}</h1>
<p class="lead">What is done otherwise: ${escape(says)}.</p>
<h2>Which clause</h2>
<p><a href="../${href(clause, known.get(clause) ?? clause)}">${
      escape(known.get(clause) ?? clause)
    }</a></p>
<h2>Who was found to make it</h2>
<p>${
      seen.length
        ? seen.map((title) => `<a href="../who.html#${anchor(title)}">${escape(title)}</a>`).join(
          ", ",
        )
        : `None of the implementations of <a href="../who.html">the matrix</a>, in more than one case.`
    }</p>
<h2>What it looks like</h2>
${
      task
        ? `<p>The numbers that differ are marked.</p>${beside(task, id)}
<h2>The smallest case that shows it</h2>
<p><code>${task.id}</code>: ${escape(task.reason)}${flow}</p>${asked(task)}${
          cases.length > 1
            ? `<p>Others: ${cases.slice(1).map((one) => `<code>${one}</code>`).join(", ")}</p>`
            : ""
        }`
        : "<p>It is not made on purpose here, so there is no case to show: the kit knows it by how the answers differ from PyTorch's over many cases.</p>"
    }
<p class="row">${near.join(" ")}</p>`;
    return [id, page("who", body, { title: id, up: "../", library: false })];
  }));
}
