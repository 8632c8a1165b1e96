import { textOf, type Content } from './content.ts';
import { answeredRange, callOf, conditionOf, isForWhole, isNotModified } from './asking.ts';
import { betterOf, isAbout, isAlone, isFor, isSameVariant, keyOf, newestOf } from './matching.ts';
import { SharedShelf } from './shared-shelf.ts';
import { TAGS, type Failure, type Request, type Step } from './generate.ts';
import {
  ageOf,
  arrive,
  covers,
  gapOf,
  governing,
  isMeantForAll,
  isSelectedBy,
  isWhole,
  lifetimeOf,
  mayKeep,
  mayStandIn,
  merge,
  onlyRange,
  overlay,
  rangeFor,
  sameTag,
  unusual,
  useOf,
  type Kept,
  type Profile,
} from './rules.ts';

/** What a client sees, and what the function was asked with on its behalf. */
export type Outcome = {
  status: number;
  /** Undefined where there is none. */
  body: string | undefined;
  /** Seconds; undefined where the answer did not come from the store. */
  age: number | undefined;
  /** If-None-Match (`-` without one), Range and If-Range of each call that the function saw; a failed call counts. */
  calls: string[];
};

/** A message before it is kept. */
type News = Omit<Kept, 'purges'>;
/** What is stored when it arrives: what it may change, or an incomplete response beside it. */
type Present = { touched: Kept | undefined; part: Kept | undefined };
type Site = { profile: Profile; contents: Content[] };

const DAY = 86_400;
const HOUR = 3600;
const HIT_FOR_MISS = 120;

/** The cache as one would write it who had all the time in the world: lists, loops, no I/O, no concurrency. */
export class Reference {
  now: number;
  readonly #sites: readonly Site[];
  readonly #memories: [Map<string, Kept[]>, Map<string, Kept[]>] = [new Map(), new Map()];
  readonly #shelf = new SharedShelf();
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
    const { found, isSoft, part } = this.#lookUp(request);
    const { profile } = this.#siteOf(request);
    if (found !== undefined) {
      const use = useOf(found, request, profile, { now: this.now, isSoft });
      if (use !== 'ask') {
        const calls = use === 'swr' ? this.#refresh(request, found, failure) : [];
        return this.#fromStored(request, found, calls, this.#ageThen(found));
      }
    }
    if (request.directives.onlyIfCached === true) {
      return { status: 504, body: undefined, age: undefined, calls: [] };
    }
    return this.#ask(request, found, failure, part);
  }

  #ageThen(kept: Kept): number {
    return Math.floor(ageOf(kept, this.now));
  }

  #lookUp(request: Request): { found: Kept | undefined; isSoft: boolean; part?: Kept } {
    const key = keyOf(request);
    const { profile } = this.#siteOf(request);
    const memory = this.#memories[request.gateway];
    let near = newestOf((memory.get(key) ?? []).filter((kept) => isSelectedBy(kept, request)));
    if (near !== undefined && this.#stateOf(near) === 'gone') {
      this.#forget(request.gateway, key, near);
      near = undefined;
    }
    const isSoft = near !== undefined && this.#stateOf(near) === 'soft';
    if (near !== undefined && isFor(near, request, profile) && covers(near, request)) {
      if (useOf(near, request, profile, { now: this.now, isSoft }) !== 'ask') return { found: near, isSoft };
    }
    const isMarked = (this.#hitForMiss[request.gateway].get(key) ?? 0) > this.now;
    const far = near === undefined && isMarked ? undefined : this.#lookUpShared(request, key);
    const found = betterOf(near, far, request);
    if (found !== undefined && found !== near) this.#remember(request.gateway, key, found);
    if (found === undefined || !isFor(found, request, profile)) return { found: undefined, isSoft: false };
    if (!covers(found, request)) {
      return { found: undefined, isSoft: false, ...(isAlone(request, found) ? {} : { part: found }) };
    }
    return { found, isSoft: this.#stateOf(found) === 'soft' };
  }

  #lookUpShared(request: Request, key: string): Kept | undefined {
    const far = this.#shelf.find(request, key, this.now);
    if (far === undefined || this.#stateOf(far) === 'gone') return undefined;
    return far;
  }

  #ask(request: Request, found: Kept | undefined, failure: Failure, part?: Kept): Outcome {
    const { profile, contents } = this.#siteOf(request);
    const touched = found !== undefined && !isAlone(request, found) ? found : undefined;
    const gap = found === undefined && part !== undefined && isForWhole(request) ? gapOf(part) : undefined;
    const condition =
      gap === undefined ? conditionOf(request, touched) : { range: gap, ifRange: part?.fields.etag };
    const calls = [callOf(condition)];
    if (failure !== 'none') {
      const isCutOff = failure === 'unreachable';
      if (found !== undefined && mayStandIn(found, request, profile, { now: this.now, isCutOff })) {
        return this.#fromStored(request, found, calls, this.#ageThen(found));
      }
      if (isCutOff) return { status: 502, body: undefined, age: undefined, calls };
      return { status: 503, body: undefined, age: undefined, calls };
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
      return { status: news.status, body: undefined, age: content.age, calls };
    }
    if (isSame && touched !== undefined) return this.#validated(request, touched, arrived, calls);
    const range = isSame ? undefined : answeredRange(content, condition);
    if (range !== undefined) {
      const piece = { ...arrived, text: onlyRange(arrived.text, range) };
      return gap === undefined
        ? this.#receivePart(request, part, { piece, range }, calls)
        : this.#completed(request, part, piece, calls);
    }
    // Nothing of what lacks, though that alone was asked for: all of it is asked for then.
    if (gap !== undefined && [206, 304, 416].includes(news.status))
      return this.#askAnew(request, part, calls);
    return this.#receive(request, { touched, part }, news, calls);
  }

  /** A part that is passed on, and kept with what is there. */
  #receivePart(
    request: Request,
    part: Kept | undefined,
    { piece, range }: { piece: News; range: { first: number; last: number } },
    calls: string[],
  ): Outcome {
    this.#keepPart(request, part, piece);
    const { age } = this.#siteOf(request).contents[request.url] ?? {};
    return { status: 206, body: piece.text.slice(range.first, range.last + 1), age, calls };
  }

  #keepPart(request: Request, part: Kept | undefined, piece: News): Kept | undefined {
    const { profile } = this.#siteOf(request);
    const own = this.#withPurges(piece, request);
    if (!mayKeep(own, request, profile)) return undefined;
    const memory = this.#memories[request.gateway].get(keyOf(request)) ?? [];
    const present = newestOf(memory.filter((kept) => isSelectedBy(kept, request))) ?? part;
    if (present !== undefined && isWhole(present)) return undefined;
    const kept = (present === undefined ? undefined : this.#together(request, present, piece)) ?? own;
    this.#keep(request, kept);
    return kept;
  }

  /** RFC 9111 section 3.4: undefined where the two may not be put together. */
  #together(request: Request, present: Kept, piece: News): Kept | undefined {
    const { etag } = piece.fields;
    if (etag?.startsWith('"') !== true || etag !== present.fields.etag) return undefined;
    const merged = merge(present, piece, request);
    const both = this.#withPurges({ ...merged, text: overlay(present.text, piece.text) }, request);
    if (!mayKeep(both, request, this.#siteOf(request).profile) || !isSameVariant(both, present))
      return undefined;
    const purges = new Map(both.purges);
    for (const [name, then] of present.purges) {
      const now = purges.get(name) ?? then;
      if (now.hard !== then.hard || now.soft !== then.soft) return undefined;
      purges.set(name, then);
    }
    return { ...both, purges };
  }

  #completed(request: Request, part: Kept | undefined, piece: News, calls: string[]): Outcome {
    if (part === undefined) throw new Error('nothing to complete');
    const { profile, contents } = this.#siteOf(request);
    if (!mayKeep(this.#withPurges(piece, request), request, profile)) {
      return this.#askAnew(request, part, calls);
    }
    const kept = this.#keepPart(request, part, piece);
    if (kept !== undefined && covers(kept, request)) {
      return this.#fromStored(request, kept, calls, this.#ageThen(kept));
    }
    // What came did not fit: the function is asked once more, past the cache.
    const content = contents[request.url];
    if (content === undefined) throw new Error('no such address');
    return { status: content.status, body: textOf(content), age: content.age, calls: [...calls, '-'] };
  }

  #validated(request: Request, touched: Kept, news: News, calls: string[]): Outcome {
    if (!isAbout(touched, news)) {
      // It speaks of something else: forgotten, and asked for again.
      return this.#askAnew(request, touched, calls);
    }
    const after = this.#withPurges(merge(touched, news, request), request);
    if (mayKeep(after, request, this.#siteOf(request).profile)) this.#keep(request, after);
    else this.#forgetBoth(request, touched);
    return this.#fromStored(request, after, calls, this.#ageThen(after));
  }

  #askAnew(request: Request, unfit: Kept | undefined, calls: string[]): Outcome {
    if (unfit !== undefined) this.#forgetBoth(request, unfit);
    const again = this.#ask(request, undefined, 'none');
    return { ...again, calls: [...calls, ...again.calls] };
  }

  /** A message that is passed on, and kept if it may be. */
  #receive(request: Request, { touched, part }: Present, news: News, calls: string[]): Outcome {
    const { profile } = this.#siteOf(request);
    const kept = this.#withPurges(news, request);
    const isKept = news.status !== 304 && mayKeep(kept, request, profile);
    if (isKept) {
      this.#hitForMiss[request.gateway].delete(keyOf(request));
      this.#keep(request, kept);
      if (request.ifNoneMatch !== undefined || request.range !== undefined)
        return this.#fromStored(request, kept, calls, this.#ageThen(kept));
    } else {
      if (touched !== undefined && news.status < 400) this.#forgetBoth(request, touched);
      if (part !== undefined && news.status === 200) this.#forgetBoth(request, part);
      this.#forgetLasting(request, {
        status: news.status,
        isRefusedForAll: this.#isRefusedForAll(request, kept),
      });
    }
    const age = this.#siteOf(request).contents[request.url]?.age;
    return { status: news.status, body: news.status === 304 ? undefined : news.text, age, calls };
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

  #learn(request: Request, touched: Kept, news: News): void {
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
    if (far !== undefined && isWhole(far)) {
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
    if (failure === 'unreachable') return { status: 502, body: undefined, age: undefined, calls };
    if (failure === 'status-503') return { status: 503, body: undefined, age: undefined, calls };
    const { status, age } = content;
    const key = keyOf(request);
    if (status < 400) {
      this.#memories[request.gateway].delete(key);
      this.#purge(`url ${key}`, 'hard');
    }
    return { status, body: textOf(content), age, calls };
  }

  #fromStored(request: Request, kept: Kept, calls: string[], age: number): Outcome {
    const { ifNoneMatch } = request;
    const { etag } = kept.fields;
    const isSame =
      kept.status === 200 && ifNoneMatch !== undefined && etag !== undefined && sameTag(ifNoneMatch, etag);
    if (isSame) return { status: 304, body: undefined, age, calls };
    const range = kept.status === 200 ? rangeFor(request, etag) : undefined;
    if (range !== undefined) {
      return { status: 206, body: kept.text.slice(range.first, range.last + 1), age, calls };
    }
    return { status: kept.status, body: request.method === 'HEAD' ? undefined : kept.text, age, calls };
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
    const all = this.#memories[request.gateway].get(key) ?? [];
    this.#shelf.put(key, kept, { all, until: this.now + ttl });
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
    this.#shelf.remove(key, kept);
  }

  #withPurges(kept: News, request: Request): Kept {
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
