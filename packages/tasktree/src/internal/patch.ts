/** Puts `value` in place of a property; gives what puts back what was there, unless somebody else has replaced it since. */
export function patch(object: object, key: PropertyKey, value: unknown): () => void {
  const before = Object.getOwnPropertyDescriptor(object, key);
  Object.defineProperty(object, key, {
    value,
    writable: true,
    configurable: true,
    enumerable: before?.enumerable ?? false,
  });
  return () => {
    if (Object.getOwnPropertyDescriptor(object, key)?.value !== value) return;
    if (before === undefined) Reflect.deleteProperty(object, key);
    else Object.defineProperty(object, key, before);
  };
}
