/** Reads the names of tests out of test files, with the rules they are about. */
import ts from "typescript";
import { lineOf, literalText, parse } from "./source.ts";

export interface NamedTest {
  readonly file: string;
  readonly line: number;
  readonly name: string;
  /** The runtimes that `skipOn({ … })` in the test's options names. */
  readonly skippedOn: readonly string[];
}

/** Every `test`, `it`, `describe`, `suite` with a literal name; of a template, the part before its first `${`. */
export function testsIn(path: string): NamedTest[] {
  const found: NamedTest[] = [];
  visit(parse(path));
  return found;

  function visit(node: ts.Node): void {
    if (ts.isCallExpression(node) && isTestCall(node)) {
      const name = literalText(node.arguments[0]);
      if (name !== undefined) found.push({ file: path, line: lineOf(node), name, skippedOn: skippedOn(node) });
    }
    ts.forEachChild(node, visit);
  }
}

/** Where tests are skipped, left for later or run alone by other means than `skipOn`. */
export function switchedOff(path: string): number[] {
  const lines: number[] = [];
  visit(parse(path));
  return lines;

  function visit(node: ts.Node): void {
    if (ts.isPropertyAccessExpression(node) && ["skip", "todo", "only"].includes(node.name.text)) {
      if (["test", "it", "describe", "suite", "t"].includes(node.expression.getText())) lines.push(lineOf(node));
    }
    ts.forEachChild(node, visit);
  }
}

/** `test(…)`, and `t.test(…)` inside of one. */
function isTestCall({ expression }: ts.CallExpression): boolean {
  const callee = ts.isPropertyAccessExpression(expression) ? expression.name : expression;
  return ts.isIdentifier(callee) && ["test", "it", "describe", "suite"].includes(callee.text);
}

function skippedOn(call: ts.CallExpression): string[] {
  const names: string[] = [];
  for (const argument of call.arguments) visit(argument);
  return names;

  function visit(node: ts.Node): void {
    if (ts.isFunctionLike(node)) return;
    if (ts.isCallExpression(node) && node.expression.getText() === "skipOn") {
      const [reasons] = node.arguments;
      if (reasons && ts.isObjectLiteralExpression(reasons)) {
        names.push(...reasons.properties.flatMap((property) => property.name?.getText() ?? []));
      }
    }
    ts.forEachChild(node, visit);
  }
}

/**
 * The ids in a test's name: a capital, digits, and what small letters follow ("K4", "K4a", "C2b").
 * Only capitals that begin rules of the design count, so that "A1" or "X25519" can be in a name.
 */
export function idsIn(name: string, families: ReadonlySet<string>): string[] {
  return [...name.matchAll(/\b([A-Z])\d{1,2}[a-z]{0,2}\b/g)]
    .filter(([, family]) => families.has(family!))
    .map(([id]) => id);
}
