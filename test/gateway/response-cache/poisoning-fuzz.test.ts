import { expect, test } from 'vitest';
import type { Asked } from '../../../gateway/response-cache/asked.ts';
import { fuzz } from './fuzz/run.ts';
import { cleanUpAfterEach } from './rig.ts';
import { withBreakage, type Breakage } from './with-breakage.ts';

cleanUpAfterEach();

const REQUESTS = Number(process.env['FUZZ_REQUESTS'] ?? 30_000);

test('no client receives a byte that another one sent in its headers, or its address', async () => {
  const tally = await fuzz({ seed: 1, requests: REQUESTS });
  process.stdout.write(`fuzz: ${JSON.stringify(tally)}\n`);
  expect(tally.leaks).toEqual([]);
  expect(tally.hits).toBeGreaterThan(tally.requests / 4);
}, 600_000);

type Headers = (asked: Asked) => [string, string][];

/** Lets one more header through to calls for everybody. */
function letThrough(name: string): Breakage {
  return {
    module: 'plain-call.ts',
    break: ({ plainHeaders }: { plainHeaders: Headers }) => ({
      plainHeaders: (asked: Asked) => {
        const value = asked.exchange.incoming.headers[name];
        return value === undefined ? plainHeaders(asked) : [...plainHeaders(asked), [name, String(value)]];
      },
    }),
  };
}

// The list of what reaches calls for everybody, and what keeps apart what was not asked for everybody, each broken in one place.
const BREAKAGES: Record<string, Breakage> = {
  'the cookie is let through': letThrough('cookie'),
  'the client’s address is let through': letThrough('x-forwarded-for'),
  'the language is let through': letThrough('accept-language'),
  'the range is let through': letThrough('range'),
  'the address does not count among what a client sent': {
    module: '../functions/upstream.ts',
    break: ({ clientHeaders }: { clientHeaders: (...args: unknown[]) => [string, string][] }) => ({
      clientHeaders: (...args: unknown[]) =>
        clientHeaders(...args).filter(([name]) => !/forwarded|cookie|agent/i.test(name)),
    }),
  },
  'what a client sent does not count': {
    module: 'request-digest.ts',
    break: () => ({ requestDigest: () => () => '' }),
  },
  'what was made for one client is validated for all': {
    module: 'vary.ts',
    break: () => ({ isStrict: () => false }),
  },
  'words to caches are heard and forgotten': {
    module: 'request-headers.ts',
    break: () => ({ speaksToCaches: () => false }),
  },
  'variants are selected by Vary alone': {
    module: 'judge.ts',
    break: (original: { judge: (...args: unknown[]) => { varyNames: readonly string[] } }) => ({
      judge: (...args: unknown[]) => ({ ...original.judge(...args), varyNames: [] }),
    }),
  },
};

test.each(Object.entries(BREAKAGES))(
  'the fuzz test notices when %s',
  async (_rule, breakage) => {
    const leaks = await withBreakage(breakage, async () => {
      const { fuzz: brokenFuzz } = await import('./fuzz/run.ts');
      return (await brokenFuzz({ seed: 1, requests: 20_000 })).leaks;
    });
    expect(leaks).not.toEqual([]);
  },
  300_000,
);
