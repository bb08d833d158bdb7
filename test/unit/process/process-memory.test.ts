import { afterEach, expect, test, vi } from 'vitest';
import { processMemory } from '../../../src/process/process-memory.ts';

afterEach(() => void vi.restoreAllMocks());

test('what is resident counts in bytes', () => {
  expect(processMemory(undefined)?.resident()).toBeGreaterThan(1024 * 1024);
});

test('where there is no /proc, it is not known', () => {
  vi.spyOn(process.memoryUsage, 'rss').mockImplementation(() => {
    throw new Error('ENOENT: no such file or directory, uv_resident_set_memory');
  });
  expect(processMemory(undefined)).toBeUndefined();
});
