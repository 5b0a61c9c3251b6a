/** The short form of each command. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { commands, proved } from "./prove.ts";

describe("npm run prove, in short:", () => {
  for (const [name, { shows, isLong }] of Object.entries(commands)) {
    if (isLong) continue;
    test(`${name}: ${shows}`, async (t) => {
      const { figure, faults } = await proved(name, { isShort: true, ms: 0, seed: 1 });
      t.diagnostic(figure);
      assert.deepEqual(faults, []);
    });
  }

  test("a command that ends without a finding has failed", async () => {
    const { faults } = await proved("no such command", { isShort: true, ms: 0, seed: 1 });
    assert.match(faults.join("\n"), /^it ended with exit code 1/);
  });
});
