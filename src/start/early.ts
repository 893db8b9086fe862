/** Answers before the server is there, without the server. */
export { openEarly } from '../nameserver/early/early.js';
