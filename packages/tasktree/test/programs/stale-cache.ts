/** A cache that can keep what was true when its load began. */
import assert from "node:assert";

class Cache<T> {
  #value: T | undefined = undefined;

  async get(load: () => Promise<T>): Promise<T> {
    if (this.#value === undefined) this.#value = await load();
    return this.#value;
  }

  set(value: T): void {
    this.#value = value;
  }
}

class Database {
  row = "old";

  async read(): Promise<string> {
    const { row } = this;
    await Promise.resolve();
    return row;
  }

  async write(row: string): Promise<void> {
    await Promise.resolve();
    this.row = row;
  }
}

export async function staleCache(): Promise<void> {
  const database = new Database();
  const cache = new Cache<string>();
  const reader = async () => cache.get(() => database.read());
  const writer = async () => {
    await database.write("new");
    cache.set("new");
  };
  await Promise.all([reader(), writer()]);
  assert.equal(await reader(), database.row);
}
