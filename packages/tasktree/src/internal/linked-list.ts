/** What an object carries to be a member of one {@link LinkedList}. */
export interface Linked<T extends Linked<T>> {
  prev: T | undefined;
  next: T | undefined;
  list: LinkedList<T> | undefined;
}

/** A doubly linked list through its members' own fields: adding and removing allocate nothing. */
export class LinkedList<T extends Linked<T>> {
  first: T | undefined = undefined;
  last: T | undefined = undefined;
  size = 0;

  push(member: T): void {
    const last = this.last;
    member.list = this;
    member.prev = last;
    if (last === undefined) this.first = member;
    else last.next = member;
    this.last = member;
    this.size++;
  }

  /** Does nothing for what is not a member. */
  remove(member: T): void {
    if (member.list !== this) return;
    const { prev, next } = member;
    if (prev === undefined) this.first = next;
    else prev.next = next;
    if (next === undefined) this.last = prev;
    else next.prev = prev;
    member.prev = member.next = member.list = undefined;
    this.size--;
  }

  /** Members from first to last; the one being visited may be removed meanwhile. */
  *[Symbol.iterator](): IterableIterator<T> {
    for (let member = this.first; member !== undefined;) {
      const next: T | undefined = member.next;
      yield member;
      member = next;
    }
  }
}
