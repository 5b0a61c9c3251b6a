/** Work that goes wrong, or comes too fast. */
export { retry, type Jitter, type Retry, type RetryOptions } from "./retry.ts";
