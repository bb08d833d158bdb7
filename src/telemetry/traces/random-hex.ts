/** Random identifiers for spans: the system is asked for many of them at once. */

const POOL_BYTES = 4096;

/**
 * @param randomBytes so many random bytes
 * @returns so many random bytes in hexadecimal, at most 4096
 */
export function pooledHex(randomBytes: (size: number) => Buffer): (bytes: number) => string {
  let pool: Buffer = Buffer.alloc(0);
  let used = 0;
  return (bytes) => {
    if (used + bytes > pool.length) {
      pool = randomBytes(POOL_BYTES);
      used = 0;
    }
    used += bytes;
    return pool.toString('hex', used - bytes, used);
  };
}
