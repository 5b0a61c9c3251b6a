import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { reportOf, type Report } from "../../../test/reported.ts";
import { skipOn } from "../../../test/runtime.ts";
import { currentTask, sleep } from "../../index.ts";
import * as door from "./node-test.ts";

describe("tasktree/node-test", () => {
  let report: Report;
  before(() => (report = reportOf("reported.ts")));

  function assertFailed(name: string, wanted: boolean): void {
    assert.equal(report.failed.get(name), wanted, `${name}\n${report.output}`);
  }

  test("passes a test when everything in its run has ended, an hour of virtual time too", () => {
    assertFailed("an hour passes at once", false);
    assertFailed("real time passes", false);
    assertFailed("may leave a timer", false);
  });

  test("fails a test with its error as it is", () => {
    assertFailed("differs", true);
    assert.match(report.output, /AssertionError.*\n *\+ actual - expected\n\s*\{\n *a: 1,\n *\+ +b: 2\n *- +b: 3\n/);
  });

  test("fails a test that leaves something over, and names it", () => {
    assertFailed("leaves a group", true);
    assertFailed("leaves a timer", true);
    assert.match(report.output, /'main' ended before 'main\/forgotten', which was opened inside/);
    assert.match(report.output, /setTimeout of 200 ms, made in 'main'/);
  });

  test("shows what was suppressed", () => {
    assertFailed("fails twice", true);
    assert.match(report.output, /Error: the first failure/i);
    assert.match(report.output, /beside what failed: Error: the second failure/);
  });

  test("gives a stuck task up and names it, also after a time-out", () => {
    assertFailed("is stuck", true);
    assertFailed("times out and is stuck", true);
    assert.match(report.output, /StuckTaskError.*: Gave up task 'main\/deaf'/);
    assert.match(report.output, /beside what failed: StuckTaskError: Gave up task 'main\/deafer'/);
    assertFailed("times out and is stuck in virtual time", true);
    assert.match(report.output, /beside what failed: StuckTaskError: Gave up task 'main\/deafest'/);
  });

  test("cancels a test that has timed out, and cleans up before the next", () => {
    assertFailed("times out", true);
    assert.match(report.output, /test timed out after 200ms/);
    const cleanedUp = report.output.indexOf("cleaned up after the time-out");
    assert.ok(cleanedUp > 0 && cleanedUp < report.output.indexOf("the next test begins"), report.output);
    assertFailed("begins when that is cleaned up", false);
    assertFailed("times out in virtual time", true);
    assert.match(report.output, /cleaned up in virtual time/);
  });

  test("stops exploring after a time-out, and does not report that as a schedule that fails", () => {
    assertFailed("times out exploring", true);
    assertFailed("begins when no more is explored", false);
    assert.doesNotMatch(report.output, /'times out exploring' fails in a schedule/);
  });

  test("hands the runner's options and variants on", () => {
    assertFailed("is skipped", false);
    assertFailed("is to be written", false);
  });

  test("fails with the schedule that fails, and tells what was explored", () => {
    assertFailed("counts", true);
    assert.match(report.output, /'suite > counts' fails in a schedule: AssertionError/);
    assert.match(report.output, /TASKTREE_REPLAY='suite > counts@1'/);
    assertFailed("holds", false);
    assert.match(report.output, /explored \d+ schedules, \d+ different: all there are/);
  });

  test("replays what TASKTREE_REPLAY names, in that test alone", () => {
    const { output, failed } = reportOf("reported.ts", { TASKTREE_REPLAY: "suite > counts@1" });
    assert.equal(failed.get("counts"), true);
    assert.match(output, /'suite > counts' fails in a schedule: .+\n +replayed\n/);
    assert.match(output, /explored \d+ schedules, \d+ different: all there are/);
  });

  test("a test's place is where it stands in its file", skipOn({ bun: "tells none", deno: "tells another" }), () => {
    assert.match(report.output, /^test at reported\.ts:17:1\n✖ differs/m);
    assert.match(report.output, /^test at reported\.ts:\d+:8\n✖ counts/m);
  });

  test("refuses what is not a name, options and a function", () => {
    const fn = (): void => {};
    assert.throws(() => door.test(fn as never), { message: /^Cannot test function fn: wanted a name first/ });
    assert.throws(() => door.test("a", 5 as never, fn), {
      message: /^Cannot use 5 as options of test "a": wanted an object/,
    });
    assert.throws(() => door.test("a", {}, 5 as never), { message: /^Cannot test "a" with 5: wanted a function/ });
    assert.throws(() => door.test.explore("a", {} as never), {
      message: /^Cannot test "a" with null: wanted a function/,
    });
    assert.throws(() => door.test("a", { platform: true }, fn), {
      message: 'Cannot use platform in test "a": it is for virtual: true',
    });
  });

  door.test("runs a test as the first task of its own run", async (t) => {
    await sleep(1);
    assert.equal(currentTask()?.path, "main");
    assert.match(t.fullName, /^tasktree\/node-test > runs a test/);
  });
});
