import { vi } from 'vitest';

/** One rule of the cache broken: how the module of gateway/response-cache/ that holds it is changed. */
export type Breakage = { module: string; break: (original: never) => object };

/** Runs with the rule broken in whatever `run` imports; what was imported before is as it was. */
export async function withBreakage<Result>(breakage: Breakage, run: () => Promise<Result>): Promise<Result> {
  const path = new URL(`../../../gateway/response-cache/${breakage.module}`, import.meta.url).pathname;
  vi.resetModules();
  vi.doMock(path, async (importOriginal) => {
    const original: object = await importOriginal();
    return { ...original, ...breakage.break(original as never) };
  });
  try {
    return await run();
  } finally {
    vi.doUnmock(path);
  }
}
