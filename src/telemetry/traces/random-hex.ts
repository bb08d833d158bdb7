/** Random ids for spans. The system gives 4096 random bytes at once, because each call costs time. */

const POOL_BYTES = 4096;

/**
 * @param randomBytes returns so many random bytes
 * @returns a function that returns so many random bytes in hexadecimal, 4096 bytes at most
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
