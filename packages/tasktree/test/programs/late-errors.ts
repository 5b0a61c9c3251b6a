/** Errors that nobody awaits. The argument says where they happen; it tells how `run` ended. */
import {
  abandonOnCancel,
  all,
  currentSignal,
  moveOnAfter,
  outside,
  run,
  sleep,
  sleepForever,
  suppressedErrors,
  withCancelScope,
  withTaskGroup,
} from "tasktree";

const late = new Error("late");
const other = new Error("other");

function reject(error: unknown): void {
  void Promise.reject(error);
}

/** A task that has ended and left a timer behind. */
async function leaveBehind(fn: () => void): Promise<void> {
  await withTaskGroup((group) => {
    group.spawn(
      () => {
        setTimeout(fn, 5);
      },
      { name: "ended" },
    );
  });
}

function fail(error: unknown): never {
  throw error;
}

/** What two tasks see: one in whose context the error comes, and a sibling. */
async function inTask(cause: () => void): Promise<void> {
  await withTaskGroup((group) => {
    group.spawn(
      async () => {
        cause();
        await sleepForever().finally(() => console.log("victim cancelled"));
      },
      { name: "victim" },
    );
    group.spawn(() => sleepForever().finally(() => console.log("sibling cancelled")), { name: "sibling" });
  }).catch((error: unknown) => {
    console.log(`group rejected: ${String(error)}, ${error === late}`);
    throw error;
  });
}

const scenarios: Record<string, () => unknown> = {
  "rejection in a task": () => inTask(() => reject(late)),
  "exception in a task": () => inTask(() => setTimeout(() => fail(late), 5)),
  "rejection in a timer of a task": () => inTask(() => setTimeout(() => reject(late), 5)),
  "rejection in a scope of a task": () => inTask(() => void withCancelScope(() => (reject(late), sleepForever()))),
  "rejection in an ended task": async () => {
    await leaveBehind(() => reject(late));
    await sleepForever();
  },
  "exception in an ended task": async () => {
    await leaveBehind(() => fail(late));
    await sleepForever();
  },
  "rejection in a turn that is over": () =>
    all([() => void setTimeout(() => reject(late), 5), sleepForever], { limit: 1 }),
  "in no context": sleepForever,
  "in no context, for a while": async () => (await sleep(60), "fine"),
  "rejection outside": () => {
    outside(() => reject(late));
    return sleepForever();
  },
  "a cancellation": async () => {
    await withCancelScope(async (scope) => {
      const { signal } = scope;
      scope.cancel();
      await sleep(1).catch(() => undefined);
      reject(signal.reason);
      setTimeout(() => reject(signal.reason), 5);
      void fetch("http://127.0.0.1:9/", { signal });
    });
    await sleep(20);
    return "fine";
  },
  "a cancelled foreign call": async () => {
    await moveOnAfter(5, async () => {
      void new Promise((_, rejectIt) => {
        const signal = currentSignal();
        signal.addEventListener("abort", () => rejectIt(new DOMException("gone", "AbortError")));
      });
      await sleepForever();
    });
    await sleep(20);
    return "fine";
  },
  "already reported": async () => {
    await withTaskGroup(async (group) => {
      group.spawn(async () => {
        setTimeout(() => reject(late), 1);
        setTimeout(() => reject(late), 10);
        await sleepForever();
      });
    }).catch((error: unknown) => console.log(`group rejected: ${String(error)}`));
    await sleep(30);
    return "fine";
  },
  "two in a task": () =>
    inTask(() => {
      reject(late);
      reject(other);
    }),
  "as main throws the same": () => {
    reject(late);
    throw late;
  },
  "as main throws another": () => {
    reject(late);
    throw other;
  },
  "as main returns": () => {
    reject(late);
    return "fine";
  },
  "after the run": () => {
    setTimeout(() => reject(late), 20);
    return "fine";
  },
  "no object": () => inTask(() => reject("text")),
  "abandoned and late": async () => {
    await moveOnAfter(5, () =>
      abandonOnCancel(
        new Promise((_, rejectIt) => {
          setTimeout(() => rejectIt(late), 20);
        }),
      ),
    );
    await sleepForever();
  },
};

const [scenario = "", ...flags] = process.argv.slice(2);
if (flags.includes("listened")) {
  for (const event of ["unhandledRejection", "uncaughtException"] as const) {
    process.on(event as "uncaughtException", (error) => {
      console.log(`the other listener got ${String(error)}`);
    });
  }
}
if (flags.includes("reject")) setTimeout(() => reject(late), 20);
if (flags.includes("throw")) setTimeout(() => fail(late), 20);

void run(scenarios[scenario]!, { host: !flags.includes("no-host") }).then(
  (value) => console.log(`run gave ${String(value)}`),
  (error: unknown) => {
    console.log(`run rejected: ${String(error)}, ${error === late}`);
    console.log(`suppressed: ${suppressedErrors(error).map(String).join(", ")}`);
  },
);
