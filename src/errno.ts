/** Errors of system calls, for operators: who tried, and what to change. */

/** The fix for an error by its code, such as `EACCES`, to be put after the message: `: fix`, or nothing when none is known. */
export function fixFor(error: unknown, fixes: Readonly<Record<string, string>>): string {
  const fix = fixes[(error as NodeJS.ErrnoException).code ?? ''];
  return fix === undefined ? '' : `: ${fix}`;
}

/** The user of this process, on whose rights a system call depends. */
export function processUser(): string {
  return `uid ${process.getuid?.()}, gid ${process.getgid?.()}`;
}
