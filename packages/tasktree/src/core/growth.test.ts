/** What one of many costs must not grow with their number: rules K3 and C9. Speed itself is measured in bench/. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { virtually } from "../../test/virtual.ts";
import { sleepForever, withTaskGroup } from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

/** The processor time that one service takes to end, of so many in one group, in microseconds. */
async function endOfOne(services: number): Promise<number> {
  let before: NodeJS.CpuUsage | undefined;
  await virtually(() =>
    withTaskGroup(async (group) => {
      for (let i = 0; i < services; i++) group.spawn(sleepForever, { service: true });
      await waitAllTasksBlocked();
      before = process.cpuUsage();
    }),
  );
  return process.cpuUsage(before).user / services;
}

test("K3d the end of a service takes no longer in a group of 50,000 than in one of 1,000", async () => {
  let few = Infinity;
  for (let tries = 0; tries < 10; tries++) few = Math.min(few, await endOfOne(1000));
  let many = Infinity;
  for (let tries = 0; tries < 3 && many > 5 * few; tries++) many = Math.min(many, await endOfOne(50_000));
  assert.ok(many < 5 * few, `of few: ${few} µs, of many: ${many} µs`);
});
