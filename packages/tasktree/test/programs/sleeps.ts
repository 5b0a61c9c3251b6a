/** Does nothing, for longer than any test waits. */
setTimeout(() => {}, 60_000);
