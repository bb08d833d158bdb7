/** Calls of libc that Node does not have. Loaded with koffi, and only when they are needed. */

/** The numbers of Linux, the same on every architecture that Node supports. */
export const SOL_SOCKET = 1;
export const SocketOption = { PEERCRED: 17, PEERGROUPS: 59, PEERPIDFD: 77 } as const;

/** Each returns -1 on failure. */
export interface Libc {
  /** Fills `value` and sets `length` to its bytes. */
  getsockopt(fd: number, level: number, option: number, value: Uint32Array, length: Uint32Array): number;
  /**
   * @param pollfds struct pollfd, one after the other
   * @returns how many of them are ready
   */
  poll(pollfds: Int16Array, count: number, timeoutMs: number): number;
  /** @param fds two descriptors are put there */
  socketpair(domain: number, type: number, protocol: number, fds: Int32Array): number;
  /** Those with two arguments. */
  syscall(number: number, a: number, b: number): number;
  /** @param option PR_… of linux/prctl.h */
  prctl(option: number, a: number, b: number, c: number, d: number): number;
  /** @param limit struct rlimit: soft and hard */
  setrlimit(resource: number, limit: BigUint64Array): number;
  /** Gives free memory back to the kernel, all but `keep` bytes. Does nothing where libc has no such function (musl). */
  malloc_trim(keep: number): number;
  /** The errno of the last call. */
  errno(): number;
}

/** @throws Error where koffi cannot be loaded */
export async function loadLibc(): Promise<Libc> {
  const { default: koffi } = await import('koffi');
  const libc = koffi.load(null);
  return {
    getsockopt: libc.func('int getsockopt(int, int, int, _Out_ uint32_t *, _Inout_ uint32_t *)'),
    poll: libc.func('int poll(_Inout_ int16_t *, unsigned long, int)'),
    socketpair: libc.func('int socketpair(int, int, int, _Out_ int32_t *)'),
    syscall: libc.func('long syscall(long, long, long)'),
    prctl: libc.func('int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)'),
    setrlimit: libc.func('int setrlimit(int, uint64_t *)'),
    malloc_trim: trimmer(libc),
    errno: () => koffi.errno(),
  };
}

function trimmer(libc: { func(signature: string): Libc['malloc_trim'] }): Libc['malloc_trim'] {
  try {
    return libc.func('int malloc_trim(unsigned long)');
  } catch {
    return () => 0;
  }
}
