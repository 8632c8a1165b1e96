/** How long the control API may hold a request until there is more; the call's own deadline is longer. */
export const WAIT_MS = 20_000;
export const CALL_TIMEOUT_MS = 40_000;
