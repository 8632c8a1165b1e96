import type { Content } from './content.ts';
import { TAGS, type Failure, type Request, type Step } from './generate.ts';
import {
  ageOf,
  arrive,
  governing,
  isMeantForAll,
  isSelectedBy,
  lifetimeOf,
  mayKeep,
  mayStandIn,
  merge,
  sameTag,
  unusual,
  useOf,
  type Kept,
  type Profile,
} from './rules.ts';

/** What a client sees, and what the function was asked with on its behalf. */
export type Outcome = {
  status: number;
  /** Version of the body; undefined where there is none. */
  version: number | undefined;
  /** Seconds; undefined where the answer did not come from the store. */
  age: number | undefined;
  /** If-None-Match of each call that the function saw, `-` without one; a failed call counts. */
  calls: string[];
};

type Site = { profile: Profile; contents: Content[] };
/** What stands under an address in the shared cache. */
type Index = { inline: Kept | undefined; varies: (readonly string[])[]; until: number };

const DAY = 86_400;
const HOUR = 3600;
const HIT_FOR_MISS = 120;

/** The cache as one would write it who had all the time in the world: lists, loops, no I/O, no concurrency. */
export class Reference {
  now: number;
  readonly #sites: readonly Site[];
  readonly #memories: [Map<string, Kept[]>, Map<string, Kept[]>] = [new Map(), new Map()];
  readonly #indexes = new Map<string, Index>();
  readonly #variants = new Map<string, { kept: Kept; until: number }>();
  readonly #hitForMiss: [Map<string, number>, Map<string, number>] = [new Map(), new Map()];
  readonly #purges = new Map<string, { hard: number; soft: number }>();

  constructor(now: number, sites: readonly Site[]) {
    this.now = now;
    this.#sites = sites;
  }

  purge({ tag, mode }: Extract<Step, { kind: 'purge' }>): void {
    for (const site of this.#sites.keys()) this.#purge(`${site} ${tag}`, mode);
  }

  request(request: Request, failure: Failure): Outcome {
    if (request.method === 'POST') return this.#post(request, failure);
    const { found, isSoft } = this.#lookUp(request);
    const { profile } = this.#siteOf(request);
    if (found !== undefined) {
      const use = useOf(found, request, profile, { now: this.now, isSoft });
      if (use !== 'ask') {
        const calls = use === 'swr' ? this.#refresh(request, found, failure) : [];
        return this.#fromStored(request, found, calls, this.#ageThen(found));
      }
    }
    if (request.directives.onlyIfCached === true) {
      return { status: 504, version: undefined, age: undefined, calls: [] };
    }
    return this.#ask(request, found, failure);
  }

  #ageThen(kept: Kept): number {
    return Math.floor(ageOf(kept, this.now));
  }

  #lookUp(request: Request): { found: Kept | undefined; isSoft: boolean } {
    const key = keyOf(request);
    const { profile } = this.#siteOf(request);
    const memory = this.#memories[request.gateway];
    let near = newestOf((memory.get(key) ?? []).filter((kept) => isSelectedBy(kept, request)));
    if (near !== undefined && this.#stateOf(near) === 'gone') {
      this.#forget(request.gateway, key, near);
      near = undefined;
    }
    const isSoft = near !== undefined && this.#stateOf(near) === 'soft';
    if (near !== undefined && isFor(near, request, profile)) {
      if (useOf(near, request, profile, { now: this.now, isSoft }) !== 'ask') return { found: near, isSoft };
    }
    const isMarked = (this.#hitForMiss[request.gateway].get(key) ?? 0) > this.now;
    const far = near === undefined && isMarked ? undefined : this.#lookUpShared(request, key);
    const found = far === undefined || (near !== undefined && near.receivedAt > far.receivedAt) ? near : far;
    if (found !== undefined && found !== near) this.#remember(request.gateway, key, found);
    if (found === undefined || !isFor(found, request, profile)) return { found: undefined, isSoft: false };
    return { found, isSoft: this.#stateOf(found) === 'soft' };
  }

  #lookUpShared(request: Request, key: string): Kept | undefined {
    const index = this.#indexes.get(key);
    if (index === undefined || this.now >= index.until) return undefined;
    const candidates = index.inline === undefined ? [] : [index.inline];
    for (const names of index.varies) {
      const variant = this.#variants.get(variantKey(key, names, request.selecting));
      if (variant !== undefined && this.now < variant.until) candidates.push(variant.kept);
    }
    const far = newestOf(candidates.filter((kept) => isSelectedBy(kept, request)));
    if (far === undefined || this.#stateOf(far) === 'gone') return undefined;
    return far;
  }

  #ask(request: Request, found: Kept | undefined, failure: Failure): Outcome {
    const { profile, contents } = this.#siteOf(request);
    const touched = found !== undefined && !isAlone(request, found) ? found : undefined;
    const condition = conditionOf(request, touched);
    const calls = [condition.tag ?? '-'];
    if (failure !== 'none') {
      const isCutOff = failure === 'unreachable';
      if (found !== undefined && mayStandIn(found, request, profile, { now: this.now, isCutOff })) {
        return this.#fromStored(request, found, calls, this.#ageThen(found));
      }
      if (isCutOff) return { status: 502, version: undefined, age: undefined, calls };
      return { status: 503, version: undefined, age: undefined, calls };
    }
    const content = contents[request.url];
    if (content === undefined) throw new Error('no such address');
    const isError = [500, 502, 503, 504].includes(content.status);
    if (isError && found !== undefined) {
      if (mayStandIn(found, request, profile, { now: this.now, isCutOff: false })) {
        return this.#fromStored(request, found, calls, this.#ageThen(found));
      }
    }
    const arrived = arrive(content, request, this.now);
    const isSame = isNotModified(content, condition);
    const news = isSame ? { ...arrived, status: 304 } : arrived;
    if (request.method === 'HEAD') {
      if (touched !== undefined && news.status === 200 && touched.status === 200) {
        this.#learn(request, touched, arrived);
      }
      return { status: news.status, version: undefined, age: content.age, calls };
    }
    if (isSame && touched !== undefined) return this.#validated(request, touched, arrived, calls);
    return this.#receive(request, touched, news, calls);
  }

  #validated(request: Request, touched: Kept, news: Omit<Kept, 'purges'>, calls: string[]): Outcome {
    if (!isAbout(touched, news)) {
      // It speaks of something else: forgotten, and asked for again.
      this.#forgetBoth(request, touched);
      const again = this.#ask(request, undefined, 'none');
      return { ...again, calls: [...calls, ...again.calls] };
    }
    const after = this.#withPurges(merge(touched, news, request), request);
    if (mayKeep(after, request, this.#siteOf(request).profile)) this.#keep(request, after);
    else this.#forgetBoth(request, touched);
    return this.#fromStored(request, after, calls, this.#ageThen(after));
  }

  /** A message that is passed on, and kept if it may be. */
  #receive(
    request: Request,
    touched: Kept | undefined,
    news: Omit<Kept, 'purges'>,
    calls: string[],
  ): Outcome {
    const { profile } = this.#siteOf(request);
    const kept = this.#withPurges(news, request);
    const isKept = news.status !== 304 && mayKeep(kept, request, profile);
    if (isKept) {
      this.#hitForMiss[request.gateway].delete(keyOf(request));
      this.#keep(request, kept);
      if (request.ifNoneMatch !== undefined)
        return this.#fromStored(request, kept, calls, this.#ageThen(kept));
    } else {
      if (touched !== undefined && news.status < 400) this.#forgetBoth(request, touched);
      this.#forgetLasting(request, {
        status: news.status,
        isRefusedForAll: this.#isRefusedForAll(request, kept),
      });
    }
    const age = this.#siteOf(request).contents[request.url]?.age;
    return { status: news.status, version: news.status === 304 ? undefined : news.version, age, calls };
  }

  /** Whether the refusal to keep has nothing to do with this one request. */
  #isRefusedForAll(request: Request, kept: Kept): boolean {
    const { profile } = this.#siteOf(request);
    if (request.directives.noStore === true) return false;
    const plain = { ...request, isAuthorized: false };
    if (request.isAuthorized && !isMeantForAll(governing(kept.fields).directives)) return false;
    const isUnusual = profile === 'safe' && unusual(request, kept).length > 0;
    // What is unusual is the last of the reasons that `safe` looks at.
    return !isUnusual || !mayKeep(kept, { ...plain, selecting: {} }, profile);
  }

  #forgetLasting(
    request: Request,
    { status, isRefusedForAll }: { status: number; isRefusedForAll: boolean },
  ): void {
    if (status >= 500 || status === 304 || status === 206 || !isRefusedForAll) return;
    this.#hitForMiss[request.gateway].set(keyOf(request), this.now + HIT_FOR_MISS);
  }

  #learn(request: Request, touched: Kept, news: Omit<Kept, 'purges'>): void {
    const { etag, lastModified } = news.fields;
    const isSame =
      (etag === undefined || etag === touched.fields.etag) &&
      (lastModified === undefined || lastModified === touched.fields.lastModified);
    if (!isSame) {
      this.#forgetBoth(request, touched);
      return;
    }
    const after = this.#withPurges(merge(touched, news, request), request);
    if (mayKeep(after, request, this.#siteOf(request).profile)) this.#keep(request, after);
  }

  #refresh(request: Request, found: Kept, failure: Failure): string[] {
    if (isAlone(request, found)) return [];
    // Another gateway may have been faster.
    const key = keyOf(request);
    const far = this.#lookUpShared(request, key);
    if (far !== undefined) {
      const at = { now: this.now, isSoft: this.#stateOf(far) === 'soft' };
      const { profile } = this.#siteOf(request);
      if (useOf(far, { ...request, directives: {} }, profile, at) === 'fresh') {
        this.#remember(request.gateway, key, far);
        return [];
      }
    }
    return this.#ask({ ...request, method: 'GET' }, found, failure).calls;
  }

  #post(request: Request, failure: Failure): Outcome {
    const content = this.#siteOf(request).contents[request.url];
    if (content === undefined) throw new Error('no such address');
    const calls = [request.ifNoneMatch ?? '-'];
    if (failure === 'unreachable') return { status: 502, version: undefined, age: undefined, calls };
    if (failure === 'status-503') return { status: 503, version: undefined, age: undefined, calls };
    const { status, age, version } = content;
    const key = keyOf(request);
    const index = this.#indexes.get(key);
    const isKnown =
      (this.#memories[request.gateway].get(key) ?? []).length > 0 ||
      (index !== undefined && this.now < index.until);
    if (status < 400 && isKnown) {
      this.#memories[request.gateway].delete(key);
      this.#indexes.delete(key);
      this.#purge(`url ${key}`, 'hard');
    }
    return { status, version, age, calls };
  }

  #fromStored(request: Request, kept: Kept, calls: string[], age: number): Outcome {
    const { ifNoneMatch } = request;
    const { etag } = kept.fields;
    const isSame =
      kept.status === 200 && ifNoneMatch !== undefined && etag !== undefined && sameTag(ifNoneMatch, etag);
    if (isSame) return { status: 304, version: undefined, age, calls };
    return { status: kept.status, version: request.method === 'HEAD' ? undefined : kept.version, age, calls };
  }

  #keep(request: Request, kept: Kept): void {
    const key = keyOf(request);
    this.#remember(request.gateway, key, kept);
    const { seconds } = lifetimeOf(kept, this.#siteOf(request).profile);
    const { directives } = governing(kept.fields);
    const hasValidator = kept.fields.etag !== undefined || kept.fields.lastModified !== undefined;
    const afterwards = Math.max(directives.swr ?? 0, directives.sie ?? 0, hasValidator ? HOUR : 0);
    const ttl = Math.min(DAY, seconds - ageOf(kept, this.now) + afterwards);
    if (ttl <= 0) return;
    const until = this.now + ttl;
    const all = this.#memories[request.gateway].get(key) ?? [];
    const sets = all.map(namesOf).filter((names) => names.length > 0);
    const varies = [...new Map(sets.map((names) => [names.join(), names])).values()];
    const inline = all.find((each) => namesOf(each).length === 0);
    if (namesOf(kept).length > 0) {
      this.#variants.set(variantKey(key, namesOf(kept), kept.selecting), { kept, until });
    }
    this.#indexes.set(key, { inline, varies, until });
  }

  #remember(gateway: 0 | 1, key: string, kept: Kept): void {
    const others = (this.#memories[gateway].get(key) ?? []).filter((each) => !isSameVariant(each, kept));
    this.#memories[gateway].set(key, [kept, ...others]);
  }

  #forget(gateway: 0 | 1, key: string, kept: Kept): void {
    const left = (this.#memories[gateway].get(key) ?? []).filter((each) => each !== kept);
    this.#memories[gateway].set(key, left);
  }

  #forgetBoth(request: Request, kept: Kept): void {
    const key = keyOf(request);
    this.#forget(request.gateway, key, kept);
    const names = namesOf(kept);
    if (names.length === 0) this.#indexes.delete(key);
    else this.#variants.delete(variantKey(key, names, kept.selecting));
  }

  #withPurges(kept: Omit<Kept, 'purges'>, request: Request): Kept {
    const tags = (kept.fields.tags ?? [])
      .filter((tag) => TAGS.includes(tag))
      .map((tag) => `${request.site} ${tag}`);
    const names = [...tags, `url ${keyOf(request)}`];
    return { ...kept, purges: new Map(names.map((name) => [name, { ...this.#purgesOf(name) }])) };
  }

  #stateOf(kept: Kept): 'good' | 'soft' | 'gone' {
    let state: 'good' | 'soft' = 'good';
    for (const [name, then] of kept.purges) {
      const now = this.#purgesOf(name);
      if (now.hard !== then.hard) return 'gone';
      if (now.soft !== then.soft) state = 'soft';
    }
    return state;
  }

  #purge(name: string, mode: 'soft' | 'hard'): void {
    const before = this.#purgesOf(name);
    this.#purges.set(name, { ...before, [mode]: before[mode] + 1 });
  }

  #purgesOf(name: string): { hard: number; soft: number } {
    return this.#purges.get(name) ?? { hard: 0, soft: 0 };
  }

  #siteOf({ site }: Request): Site {
    const found = this.#sites[site];
    if (found === undefined) throw new Error('no such site');
    return found;
  }
}

/** RFC 9111 section 4.3.4. */
function isAbout({ fields: stored }: Kept, { fields: news }: Omit<Kept, 'purges'>): boolean {
  const isStrong = news.etag?.startsWith('"') === true;
  if (isStrong) return news.etag === stored.etag;
  if (news.etag !== undefined && stored.etag !== undefined) return sameTag(news.etag, stored.etag);
  const isDated = news.lastModified !== undefined && stored.lastModified !== undefined;
  return !isDated || news.lastModified === stored.lastModified;
}

function keyOf({ site, url }: Request): string {
  return `${site}/${url}`;
}

function namesOf({ fields: { vary } }: Kept): readonly string[] {
  return vary === '*' || vary === undefined ? [] : vary;
}

function variantKey(
  key: string,
  names: readonly string[],
  selecting: Readonly<Record<string, string>>,
): string {
  return `${key} ${names.map((name) => `${name}=${selecting[name] ?? '(none)'}`).join()}`;
}

function isSameVariant(one: Kept, other: Kept): boolean {
  return variantKey('', namesOf(one), one.selecting) === variantKey('', namesOf(other), other.selecting);
}

function newestOf(candidates: readonly Kept[]): Kept | undefined {
  let newest: Kept | undefined;
  for (const each of candidates) if (newest === undefined || each.date > newest.date) newest = each;
  return newest;
}

function isFor(kept: Kept, request: Request, profile: Profile): boolean {
  return !request.isAuthorized || profile === 'rfc' || isMeantForAll(governing(kept.fields).directives);
}

/** Whether what comes back may be due to something that only this client sent. */
function isAlone(request: Request, kept: Kept): boolean {
  if (request.directives.noStore === true) return true;
  if (request.isAuthorized && !isMeantForAll(governing(kept.fields).directives)) return true;
  return request.site === 0 && unusual(request, kept).length > 0;
}

type Condition = { tag: string | undefined; since: number | undefined };

/** What the function is asked with: the stored validators, else the client's own. */
function conditionOf(request: Request, touched: Kept | undefined): Condition {
  if (touched === undefined || request.method === 'HEAD')
    return { tag: request.ifNoneMatch, since: undefined };
  return { tag: touched.fields.etag, since: touched.fields.lastModified };
}

function isNotModified({ status, fields }: Content, { tag, since }: Condition): boolean {
  if (status !== 200) return false;
  if (tag !== undefined) return fields.etag !== undefined && sameTag(fields.etag, tag);
  return since !== undefined && fields.lastModified !== undefined && fields.lastModified <= since;
}
