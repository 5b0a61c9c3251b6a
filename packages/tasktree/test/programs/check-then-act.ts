/** Two withdrawals that both look at the balance before either has taken from it. */
import assert from "node:assert";

class Account {
  balance = 100;

  async withdraw(sum: number): Promise<boolean> {
    if (this.balance < sum) return false;
    await this.#log(`withdraw ${sum}`);
    this.balance -= sum;
    return true;
  }

  async #log(_line: string): Promise<void> {
    await Promise.resolve();
  }
}

export async function checkThenAct(): Promise<void> {
  const account = new Account();
  const early = async () => account.withdraw(80);
  const late = async () => {
    for (let step = 0; step < 2; step++) await Promise.resolve();
    return await account.withdraw(80);
  };
  await Promise.all([early(), late()]);
  assert.ok(account.balance >= 0, `balance ${account.balance}`);
}
