import { expect, test } from 'vitest';
import type { Asked } from '../../../gateway/response-cache/asked.ts';
import type { RequestDirectives } from '../../../gateway/response-cache/cache-control.ts';
import type { CachePolicy } from '../../../gateway/response-cache/cache-policy.ts';
import type * as markers from '../../../gateway/response-cache/markers.ts';
import type { HeaderList } from '../../../runner-client/runner-client.ts';
import { withBreakage, type Breakage } from './with-breakage.ts';

type SeededBreakage = Breakage & {
  /** A run in which it shows soon. */
  seed?: number;
};

// Each breaks one rule; the model has to notice. What it would not notice it does not test.
const BREAKAGES: Record<string, SeededBreakage> = {
  'responses do not age': {
    module: 'age.ts',
    break: () => ({ currentAgeMs: ({ initialAgeMs }: { initialAgeMs: number }) => initialAgeMs }),
  },
  'selecting headers are not compared': { module: 'vary.ts', break: () => ({ variantKey: () => '' }) },
  'a 304 about something else is believed': {
    module: 'validation.ts',
    break: () => ({ isAbout: () => true }),
  },
  'a HEAD that shows a change is taken for an update': {
    module: 'validation.ts',
    break: () => ({ describesSame: () => true }),
  },
  'whatever is stored is served when the function fails': {
    module: 'reuse.ts',
    break: () => ({ isUsableOnError: () => true }),
  },
  'nothing is ever purged': {
    module: 'markers.ts',
    break: () => ({ peekState: () => 'current', stateOf: async () => 'current' }),
  },
  'what was asked for before a change is stored after it': {
    module: 'markers.ts',
    break: (original: typeof markers) => ({
      markersFor: async (...[cache, { projectId }, tags]: Parameters<typeof original.markersFor>) => {
        const now = await original.takeSnapshot(cache, projectId, { url: '', known: tags });
        return now && original.markersFor(cache, now, tags);
      },
    }),
  },
  'soft purges are hard': {
    module: 'markers.ts',
    break: (original: { stateOf: (...args: unknown[]) => Promise<string> }) => ({
      peekState: () => undefined,
      stateOf: async (...args: unknown[]) =>
        (await original.stateOf(...args)) === 'current' ? 'current' : 'purged',
    }),
  },
  'unsafe methods change nothing': {
    module: 'invalidation.ts',
    break: () => ({ isInvalidating: () => false }),
  },
  'failed unsafe methods invalidate': {
    module: 'invalidation.ts',
    break: () => ({ isInvalidating: (method: string) => method === 'POST' }),
  },
  'targeted fields are not read': {
    module: 'cache-policy.ts',
    break: (original: { policyOf: (headers: HeaderList) => CachePolicy }) => ({
      policyOf: (headers: HeaderList) =>
        original.policyOf(headers.filter(([name]) => name !== 'CDN-Cache-Control')),
    }),
  },
  's-maxage is not read': breakPolicy(({ directives, ...rest }) => ({
    ...rest,
    directives: { ...directives, sMaxageS: undefined },
  })),
  'private responses are stored': breakPolicy(({ directives, ...rest }) => ({
    ...rest,
    directives: { ...directives, isPrivate: false },
  })),
  'must-revalidate is not read': breakPolicy(({ directives, ...rest }) => ({
    ...rest,
    directives: { ...directives, isMustRevalidate: false },
  })),
  'min-fresh is not honoured': breakRequest(({ minFreshS: _minFreshS, ...rest }) => ({
    ...rest,
    minFreshS: undefined,
  })),
  'no-cache in requests is not honoured': breakRequest((directives) => ({ ...directives, isNoCache: false })),
  'of several the first is taken, not the most recent': {
    module: 'memory-tier.ts',
    break: () => ({ mostRecent: (candidates: unknown[]) => candidates.at(-1) }),
  },
  'what one client sent may shape what all get': {
    module: 'asked.ts',
    break: () => ({ isAlone: () => false }),
  },
  'calls for everybody carry what one client sent': {
    module: 'plain-call.ts',
    break: (original: { plainHeaders: (asked: Asked) => [string, string][] }) => ({
      plainHeaders: (asked: Asked) => {
        const mode = asked.exchange.incoming.headers['x-a'];
        return [...original.plainHeaders(asked), ...(mode === undefined ? [] : [['x-a', String(mode)]])];
      },
    }),
  },
  'what was made for one client is validated for all': {
    module: 'vary.ts',
    break: () => ({ isStrict: () => false }),
  },
  'what everybody may not have is asked for again and again': {
    module: 'way-of.ts',
    break: () => ({ markPlain: () => {} }),
  },
  'what is said to caches alone counts for nothing': {
    module: 'request-headers.ts',
    break: () => ({ speaksToCaches: () => false }),
  },
  'error statuses are no errors': {
    module: 'status-codes.ts',
    break: () => ({ isErrorStatus: () => false }),
  },
  'every status may be guessed about': {
    module: 'status-codes.ts',
    break: () => ({ isHeuristicallyCacheable: () => true }),
  },
  'parts of whatever was stored are put together': {
    module: 'partial.ts',
    break: () => ({ isSameRepresentation: () => true }),
    seed: 3,
  },
  'an incomplete response answers for the whole': {
    module: 'answer-stored.ts',
    break: () => ({ covers: () => true }),
  },
  'what lacks is never asked for': { module: 'partial.ts', break: () => ({ gapOf: () => undefined }) },
  'a part takes the place of the one before': {
    module: 'partial.ts',
    break: () => ({ combine: () => undefined }),
  },
};

function breakPolicy(change: (policy: CachePolicy) => CachePolicy): Breakage {
  return {
    module: 'cache-policy.ts',
    break: (original: { policyOf: (headers: HeaderList) => CachePolicy }) => ({
      policyOf: (headers: HeaderList) => change(original.policyOf(headers)),
    }),
  };
}

function breakRequest(change: (directives: RequestDirectives) => RequestDirectives): Breakage {
  return {
    module: 'cache-control.ts',
    break: (original: { parseRequestDirectives: (...args: unknown[]) => RequestDirectives }) => ({
      parseRequestDirectives: (...args: unknown[]) => change(original.parseRequestDirectives(...args)),
    }),
  };
}

test.each(Object.entries(BREAKAGES))(
  'the model notices: %s',
  async (_rule, breakage) => {
    await withBreakage(breakage, async () => {
      const { runModel } = await import('./model/run.ts');
      await expect(runModel({ seed: breakage.seed ?? 5, steps: 40_000 })).rejects.toThrow('expected');
    });
  },
  300_000,
);
