/** Walking a subtree by its own links: trees of 100,000 nested scopes need no stack. */
import type { ScopeNode } from "./scope.ts";

/** The next node of the subtree of `top`, parents before children. */
export function successor(node: ScopeNode, top: ScopeNode): ScopeNode | undefined {
  return node.children?.first ?? successorAfter(node, top);
}

/** The next node of the subtree of `top` that is not below `node`. */
export function successorAfter(node: ScopeNode, top: ScopeNode): ScopeNode | undefined {
  let at: ScopeNode | undefined = node;
  while (at !== undefined && at !== top) {
    if (at.next !== undefined) return at.next;
    at = at.parent;
  }
  return undefined;
}
