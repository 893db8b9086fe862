/**
 * One query for all who ask the same at the same time.
 *
 * Fewer queries are not the point: a forger who makes a client ask the same thing a thousand times
 * has a thousand chances with every reply it forges, unless only one of them is under way.
 *
 * Spec  RFC 5452 5 (birthday attacks); CVE-2023-30464
 */

export interface Coalescer<T> {
  /** The work under way for a key, or new work. */
  join(key: string, start: () => Promise<T>): Promise<T>;
  /** Pieces of work under way. */
  size(): number;
}

export function createCoalescer<T>(): Coalescer<T> {
  const flights = new Map<string, Promise<T>>();
  return {
    join: (key, start) => {
      const known = flights.get(key);
      if (known !== undefined) return known;
      const flight = start().finally(() => {
        flights.delete(key);
      });
      flights.set(key, flight);
      return flight;
    },
    size: () => flights.size,
  };
}
