/** Changes of one token that a test should notice. */

import ts from "npm:typescript@5.9.3";

/** One change: what stands where, and what replaces it. */
export interface Change {
  /** The file, from the project's root. */
  readonly file: string;
  /** Where the token begins, in UTF-16 units. */
  readonly at: number;
  /** The line, counted from 1. */
  readonly line: number;
  readonly before: string;
  readonly after: string;
  /** The whole line, as it was. */
  readonly text: string;
}

/** A token, and what it may become. */
const table = `
  + -    - +    * /    / *    % *    < <= >    <= <    > >= <    >= >    === !==    !== ===
  && ||    || &&    ?? &&    += -=    -= +=    *= /=    ++ --    -- ++    << >>    >> <<    >>> <<
  & |    | &    ^ |    true false    false true    throw void    break ;    continue ;
  min max    max min    ceil floor    floor ceil    some every    every some`;

const swaps: Record<string, readonly string[]> = {
  "!": [""],
  ...Object.fromEntries(
    table.trim().split(/\s{2,}/).map((one) => {
      const [token, ...afters] = one.split(" ");
      return [token, afters];
    }),
  ),
};

/**
 * All changes of one token that a file allows. Types, imports, comments and texts stay: no test
 * runs them.
 */
export function changesOf(file: string, source: string): Change[] {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true);
  const found: Change[] = [];
  const lines = source.split("\n");
  const add = (node: ts.Node, before: string, afters: readonly string[]) => {
    const at = node.getStart();
    const line = tree.getLineAndCharacterOfPosition(at).line;
    for (const after of afters) {
      found.push({ file, at, line: line + 1, before, after, text: lines[line].trim() });
    }
  };
  const visit = (node: ts.Node): void => {
    if (
      ts.isTypeNode(node) || ts.isImportDeclaration(node) || ts.isExportDeclaration(node) ||
      ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node) ||
      ts.isTypeParameterDeclaration(node)
    ) return;
    if (ts.isNumericLiteral(node)) {
      const text = node.getText();
      add(node, text, [text === "0" ? "1" : text === "1" ? "0" : `(${text} + 1)`]);
    } else if (ts.isIdentifier(node)) {
      const named = ts.isPropertyAccessExpression(node.parent) && node.parent.name === node;
      if (named && Object.hasOwn(swaps, node.text)) add(node, node.text, swaps[node.text]);
    } else if (
      ts.isThrowStatement(node) || ts.isBreakStatement(node) || ts.isContinueStatement(node)
    ) {
      const [word] = node.getText().match(/^\w+/)!;
      add(node, word, swaps[word]);
    } else if (ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node)) {
      const token = ts.tokenToString(node.operator)!;
      if (ts.isPrefixUnaryExpression(node)) add(node, token, swaps[token] ?? []);
    } else if (
      node.kind === ts.SyntaxKind.TrueKeyword || node.kind === ts.SyntaxKind.FalseKeyword
    ) {
      add(node, node.getText(), swaps[node.getText()]);
    } else if (ts.isBinaryExpression(node)) {
      const token = node.operatorToken.getText();
      add(node.operatorToken, token, swaps[token] ?? []);
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

/** A file with a change made. */
export function changed(source: string, { at, before, after }: Change): string {
  return source.slice(0, at) + after + source.slice(at + before.length);
}
