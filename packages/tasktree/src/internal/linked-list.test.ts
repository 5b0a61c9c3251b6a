import assert from "node:assert/strict";
import { test } from "node:test";
import { randomFrom } from "../../test/random.ts";
import { LinkedList, type Linked } from "./linked-list.ts";

class Member implements Linked<Member> {
  prev: Member | undefined = undefined;
  next: Member | undefined = undefined;
  list: LinkedList<Member> | undefined = undefined;
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

function listOf(...names: string[]): { list: LinkedList<Member>; members: Member[] } {
  const list = new LinkedList<Member>();
  const members = names.map((name) => new Member(name));
  for (const member of members) list.push(member);
  return { list, members };
}

function namesOf(list: LinkedList<Member>): string {
  return [...list].map(({ name }) => name).join("");
}

/** The names from last to first, by the other links. */
function backwards(list: LinkedList<Member>): string {
  let names = "";
  for (let member = list.last; member !== undefined; member = member.prev) names += member.name;
  return names;
}

test("LinkedList keeps its members in the order they came, in both directions", () => {
  const { list } = listOf("a", "b", "c");
  assert.equal(namesOf(list), "abc");
  assert.equal(backwards(list), "cba");
  assert.equal(list.size, 3);
  assert.equal(list.first?.name, "a");
  assert.equal(list.last?.name, "c");
});

test("LinkedList removes the first, the last, one between, and the only one", () => {
  for (const [gone, left] of [
    [0, "bc"],
    [1, "ac"],
    [2, "ab"],
  ] as const) {
    const { list, members } = listOf("a", "b", "c");
    list.remove(members[gone]!);
    assert.equal(namesOf(list), left);
    assert.equal(backwards(list), left.split("").toReversed().join(""));
    assert.equal(list.size, 2);
  }
  const { list, members } = listOf("a");
  list.remove(members[0]!);
  assert.deepEqual([list.first, list.last, list.size], [undefined, undefined, 0]);
});

test("LinkedList lets go of what was removed, which may come again or join another list", () => {
  const { list, members } = listOf("a", "b", "c");
  const [, b] = members;
  list.remove(b!);
  assert.deepEqual([b!.prev, b!.next, b!.list], [undefined, undefined, undefined]);
  list.push(b!);
  assert.equal(namesOf(list), "acb");
  list.remove(b!);
  const other = new LinkedList<Member>();
  other.push(b!);
  list.remove(b!);
  assert.equal(namesOf(other), "b");
  assert.equal(namesOf(list), "ac");
});

test("LinkedList.remove() does nothing for what is not a member", () => {
  const { list, members } = listOf("a");
  list.remove(new Member("x"));
  list.remove(members[0]!);
  list.remove(members[0]!);
  assert.equal(list.size, 0);
});

test("LinkedList can be visited while the visited member is removed, or one is added at the end", () => {
  const { list } = listOf("a", "b", "c");
  const seen: string[] = [];
  for (const member of list) {
    seen.push(member.name);
    list.remove(member);
    if (member.name === "b") list.push(new Member("d"));
  }
  assert.deepEqual(seen, ["a", "b", "c", "d"]);
  assert.equal(list.size, 0);
});

test("LinkedList does what an array does, in any sequence of calls", () => {
  const random = randomFrom(7);
  const list = new LinkedList<Member>();
  const model: Member[] = [];
  for (let step = 0; step < 2000; step++) {
    if (random(3) > 0 || model.length === 0) {
      const member = new Member(String(step));
      list.push(member);
      model.push(member);
    } else {
      const [member] = model.splice(random(model.length), 1);
      list.remove(member!);
    }
    if (step % 100 === 0) assert.deepEqual([...list], model);
    assert.equal(list.size, model.length);
  }
  assert.deepEqual([...list], model);
});
