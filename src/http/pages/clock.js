// The daemon's clock: it decides when a request expires, so ages and times left are by it.

import { DATE_SLACK } from "./limits.js";

let ahead = 0;
let known = false;

/** The daemon's time in milliseconds, as well as it is known. */
export const now = () => Date.now() + ahead;

/** The daemon has told its time to the millisecond. */
export function heardExactly(time) {
  if (Number.isNaN(time)) return;
  ahead = time - Date.now();
  known = true;
}

/** The daemon has told its time in a `Date` header: whole seconds, and a while on their way. */
export function heardDate(header) {
  const told = Date.parse(header ?? "") + 500;
  if (Number.isNaN(told)) return;
  if (!known || Math.abs(told - now()) > DATE_SLACK) heardExactly(told);
}
