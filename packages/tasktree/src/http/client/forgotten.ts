import { Timer, now, type here } from "../../lowlevel.ts";
import type { Exchange } from "./exchange.ts";

/** How long an answer may lie unread when its scope is over, in milliseconds: it may have been handed on. */
const patience = 5000;

/**
 * Tells in debug mode when the answer has been forgotten (rule R4): the scope that asked for it is over, and nobody has read from it,
 * or closed it, for a while. Not at the scope's end, since many a scope is there only to bound the request, and gives its answer.
 */
export function tellIfForgotten(exchange: Exchange, scope: ReturnType<typeof here>): void {
  if (!scope.root.debug) return;
  let seen = exchange.reads;
  const timer = new Timer(() => {
    if (scope.ended && !exchange.isAwaited && exchange.reads === seen) {
      const message = `The answer to ${exchange.label} holds its connection: '${scope.path}' has ended, and nobody has read it to its end or closed it`;
      scope.root.instruments?.warning(message, scope);
      return;
    }
    seen = exchange.reads;
    timer.set(now() + patience);
  });
  timer.set(now() + patience);
  exchange.onOver = () => timer.set(Infinity);
}
