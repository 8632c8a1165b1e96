import type { Content } from './content.ts';
import { nextStep, URLS, type Step } from './generate.ts';
import { randomFrom } from './random.ts';
import { Reference, type Outcome } from './reference.ts';
import type { Profile } from './rules.ts';
import { START_MS, startModelSystem, type System } from './system.ts';

type Site = { profile: Profile; contents: Content[] };

export type Run = { seed: number; steps: number };

/** How often the steps led where: shows that a run went everywhere. */
export type Tally = {
  requests: number;
  stored: number;
  validated: number;
  called: number;
  stale: number;
  purges: number;
  /** Ranges answered from what is stored, and incomplete responses that were completed. */
  parts: number;
  completed: number;
  /** Calls under way when an unsafe request changed what they were about. */
  overtaken: number;
};

/**
 * A random sequence of steps against the system and the reference.
 *
 * @throws Error at the first request that they answer differently, with the steps that led there.
 */
export async function runModel({ seed, steps }: Run): Promise<Tally> {
  const random = randomFrom(seed);
  let version = 0;
  const nextVersion = (): number => (version += 1);
  const sites: Site[] = [
    { profile: 'safe', contents: emptyContents(nextVersion) },
    { profile: 'rfc', contents: emptyContents(nextVersion) },
  ];
  const system = await startModelSystem(sites);
  const reference = new Reference(START_MS / 1000, sites);
  const recent: Step[] = [];
  const tally: Tally = {
    requests: 0,
    stored: 0,
    validated: 0,
    called: 0,
    stale: 0,
    purges: 0,
    parts: 0,
    completed: 0,
    overtaken: 0,
  };
  const wait = (seconds: number): void => {
    system.clock.advance(seconds * 1000);
    reference.now += seconds;
  };
  try {
    for (let count = 0; count < steps; count += 1) {
      const step = nextStep(random, nextVersion, system.clock.nowMs());
      recent.push(step);
      if (recent.length > 40) recent.shift();
      // Dates have whole seconds: no two messages share one, so that "the most recent" is one.
      wait(1);
      switch (step.kind) {
        case 'wait':
          wait(step.seconds);
          break;
        case 'publish':
        case 'retouch':
          change(sites, step);
          break;
        case 'purge':
          tally.purges += 1;
          await system.purge(step);
          reference.purge(step);
          break;
        case 'overtaken': {
          const outcomes = await overtake({ system, reference, sites }, step);
          if (JSON.stringify(outcomes.actual) !== JSON.stringify(outcomes.expected)) {
            throw new Error(report({ seed, count, ...outcomes, recent }));
          }
          tally.overtaken += 1;
          break;
        }
        case 'request': {
          const expected = reference.request(step.request, step.failure);
          const actual = await system.request(step.request, step.failure);
          if (JSON.stringify(actual) !== JSON.stringify(expected)) {
            throw new Error(report({ seed, count, expected, actual, recent }));
          }
          tally.requests += 1;
          if (actual.calls.length > 0) tally.called += 1;
          if (actual.calls.some((call) => !call.startsWith('-'))) tally.validated += 1;
          if (actual.age !== undefined && actual.calls.length === 0) tally.stored += 1;
          if (actual.age !== undefined && step.failure !== 'none') tally.stale += 1;
          if (actual.status === 206 && actual.calls.length === 0) tally.parts += 1;
          if (actual.status === 200 && actual.calls.some((call) => / bytes=.* "/.test(call)))
            tally.completed += 1;
          break;
        }
        default:
          step satisfies never;
      }
    }
    return tally;
  } finally {
    await system.close();
  }
}

/** Of the two requests the first one asked first: that it was answered last must not show. */
async function overtake(
  { system, reference, sites }: { system: System; reference: Reference; sites: Site[] },
  { request, change: unsafe, content }: Extract<Step, { kind: 'overtaken' }>,
): Promise<{ expected: Outcome[]; actual: Outcome[] }> {
  // Of a second call that the first one's answer brought about, the function would speak of the change.
  const { outcome: first, isHeld } = reference.requestOvertaken(request, content.status < 400);
  const running = isHeld ? system.begin(request) : undefined;
  const alone = isHeld ? undefined : await system.request(request, 'none');
  await running?.isHeld;
  change(sites, { kind: 'publish', site: request.site, url: request.url, content });
  const second = reference.request(unsafe, 'none');
  const done = await system.request(unsafe, 'none');
  const answered = alone ?? (await running?.finish());
  return { expected: [first, second], actual: answered === undefined ? [done] : [answered, done] };
}

function emptyContents(nextVersion: () => number): Content[] {
  return Array.from({ length: URLS }, () => ({ version: nextVersion(), status: 200, fields: {} }));
}

function change(
  sites: readonly { contents: Content[] }[],
  step: Extract<Step, { kind: 'publish' | 'retouch' }>,
): void {
  const contents = sites[step.site]?.contents;
  const before = contents?.[step.url];
  if (contents === undefined || before === undefined) throw new Error('no such address');
  if (step.kind === 'publish') contents[step.url] = step.content;
  else {
    const { etag, lastModified } = before.fields;
    const validators = {
      ...(etag === undefined ? {} : { etag }),
      ...(lastModified === undefined ? {} : { lastModified }),
    };
    contents[step.url] = { ...before, fields: { ...step.fields, ...validators } };
  }
}

type Difference = {
  seed: number;
  count: number;
  expected: unknown;
  actual: unknown;
  recent: readonly Step[];
};

function report({ seed, count, expected, actual, recent }: Difference): string {
  const last = recent.at(-1);
  const about = last !== undefined && 'request' in last ? last.request : undefined;
  const concerned = recent.filter((step) => {
    if (step.kind === 'wait' || step.kind === 'purge') return true;
    const { site, url } = 'request' in step ? step.request : step;
    return site === about?.site && url === about?.url;
  });
  const lines = concerned.map((step) => `  ${JSON.stringify(step)}`);
  const wanted = `expected ${JSON.stringify(expected)}\n  actual ${JSON.stringify(actual)}`;
  return `seed ${seed}, step ${count}:\n${lines.join('\n')}\n${wanted}`;
}
