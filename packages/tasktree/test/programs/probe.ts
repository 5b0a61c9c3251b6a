import { run } from "tasktree";
const late = new Error("late"),
  other = new Error("other");
const s: Record<string, () => unknown> = {
  a: () => {
    void Promise.reject(late);
    throw late;
  },
  b: () => {
    void Promise.reject(late);
    throw other;
  },
  c: () => {
    void Promise.reject(late);
    return 1;
  },
  d: async () => {
    void Promise.reject(late);
    await null;
    throw late;
  },
};
void run(s[process.argv[2]!]!).then(
  (v) => console.log("gave", v),
  (e) => console.log("rejected", e),
);
