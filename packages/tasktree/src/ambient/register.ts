/** `node --import tasktree/ambient/register app.js`: registers as soon as it is loaded. */
import { register, type Registration } from "./install.ts";

const registration: Registration = register();

/** Puts the platform's functions back in their place, unless somebody else has registered too. */
export function unregister(): void {
  registration.unregister();
}
