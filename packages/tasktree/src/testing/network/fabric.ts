import type { Conditions } from "./conditions.ts";
import type { Connection } from "./connection.ts";
import { Link } from "./link.ts";
import { Schedule } from "./schedule.ts";

/** What the parts of one network share. */
export class Fabric {
  readonly schedule: Schedule = new Schedule();
  readonly conditions: Conditions;
  /** Those that have an end which is neither closed nor broken. */
  readonly connections: Set<Connection> = new Set();
  readonly counts = { opened: 0, refused: 0, lost: 0, underWay: 0, arrived: 0 };
  readonly #links = new Map<string, Map<string, Link>>();

  constructor(conditions: Conditions) {
    this.conditions = conditions;
  }

  link(from: string, to: string): Link {
    let links = this.#links.get(from);
    if (links === undefined) this.#links.set(from, (links = new Map<string, Link>()));
    let link = links.get(to);
    if (link === undefined) links.set(to, (link = new Link(from, to, this.conditions)));
    return link;
  }

  *links(): Iterable<Link> {
    for (const links of this.#links.values()) yield* links.values();
  }
}
