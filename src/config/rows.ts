/** Rows of the configuration's schema, and the kinds of values that occur in more than one. */
import { z } from 'zod';

/** IFNAMSIZ of linux/if.h, less the final zero. */
export const IFNAME_MAX = 15;

/** One documented key. `shape` and `shown` are what the reference prints. */
export function row<T extends z.ZodType>(schema: T, shape: string, description: string): T {
  return schema.meta({ shape, description });
}

/** A documented key with a default, given as it would be written in the file. */
export function rowOr<T extends z.ZodType>(
  schema: T,
  initial: z.input<T>,
  shape: string,
  doc: string,
) {
  return schema.prefault(initial as never).meta({ shape, shown: initial, description: doc });
}

/** Of a file or folder. */
export const path = z.string().min(1, { error: 'expected a path' });

export const onOff = z
  .union([z.boolean(), z.enum(['on', 'off'])], { error: 'expected on or off' })
  .transform((value) => value === true || value === 'on');

export const ifname = (max: number) => {
  const error = `expected an interface name of 1 to ${max} characters without "/", ":" or spaces`;
  return z.string({ error }).regex(new RegExp(`^[^\\s/:]{1,${max}}$`), { error });
};

export const count = (min: number, max: number) => {
  const error = `expected a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
};
export const powerOfTwo = (min: number, max: number) => {
  const error = `expected a power of two from ${min} to ${max}`;
  return z
    .int({ error })
    .min(min, { error })
    .max(max, { error })
    .refine((n) => n > 0 && (n & (n - 1)) === 0, { error });
};
