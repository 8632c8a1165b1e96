import { textOf, type Content } from './content.ts';
import { answeredRange, answerFrom, callOf, conditionOf, isForWhole, isNotModified } from './asking.ts';
import { isAbout, isAlone, isSameVariant, keyOf, newestOf } from './matching.ts';
import { type Failure, type Request, type Step } from './generate.ts';
import {
  ageOf,
  arrive,
  covers,
  gapOf,
  governing,
  isMeantForAll,
  isSelectedBy,
  isWhole,
  mayKeep,
  mayStandIn,
  merge,
  onlyRange,
  overlay,
  useOf,
  type Kept,
  type Profile,
} from './rules.ts';
import { isLasting, isRefusedForAll, Knowledge, mayTouch } from './knowledge.ts';
import { farOf, lookUp, type Desk } from './look-up.ts';
import { Purges } from './purges.ts';
import { Tiers } from './tiers.ts';
import { isOwn, speaks, WHOLE, type Asked } from './ways.ts';

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
/** What a client asks, and what the function is asked on its behalf. */
type Turn = { request: Request; asked: Asked };
/** What the function answered is not for everybody. */
type Refused = { isRefused: true; calls: string[] };
type Site = { profile: Profile; contents: Content[] };

/** In place of the body of what turned out to be for others. */
const OTHERS = '(for others)';

/** The cache as one would write it who had all the time in the world: lists, loops, no I/O, no concurrency. */
export class Reference {
  now: number;
  readonly #sites: readonly Site[];
  readonly #tiers = new Tiers();
  #deferred: (() => void)[] | undefined;
  readonly #knowledge: [Knowledge, Knowledge] = [new Knowledge(), new Knowledge()];
  readonly #purges = new Purges();

  constructor(now: number, sites: readonly Site[]) {
    this.now = now;
    this.#sites = sites;
  }

  purge({ tag, mode }: Extract<Step, { kind: 'purge' }>): void {
    for (const site of this.#sites.keys()) this.#purges.purge(`${site} ${tag}`, mode);
  }

  /**
   * A request whose one call is answered after an unsafe one that came later: if that changed something, nothing of it is kept.
   * With more calls than one, or none, it comes before.
   */
  requestOvertaken(request: Request, isChanged: boolean): { outcome: Outcome; isHeld: boolean } {
    this.#deferred = [];
    const outcome = this.request(request, 'none');
    const isHeld = outcome.calls.length === 1;
    if (!isHeld || !isChanged) for (const keep of this.#deferred) keep();
    this.#deferred = undefined;
    return { outcome, isHeld };
  }

  request(request: Request, failure: Failure): Outcome {
    if (request.method === 'POST') return this.#post(request, failure);
    const { found, isSoft, part } = lookUp(this.#desk(request), request);
    const { profile } = this.#siteOf(request);
    if (found !== undefined) {
      const use = useOf(found, request, profile, { now: this.now, isSoft });
      if (use !== 'ask') {
        const calls = use === 'swr' ? this.#refresh(request, found, failure) : [];
        return answerFrom(request, found, calls, this.#ageThen(found));
      }
    }
    if (request.directives.onlyIfCached === true) {
      return { status: 504, body: undefined, age: undefined, calls: [] };
    }
    return this.#forward(request, found, failure, part);
  }

  #ageThen(kept: Kept): number {
    return Math.floor(ageOf(kept, this.now));
  }

  #desk(request: Request): Desk {
    const { profile } = this.#siteOf(request);
    const knowledge = this.#knowledge[request.gateway];
    return { tiers: this.#tiers, purges: this.#purges, knowledge, profile, now: this.now };
  }

  /** For everybody where it is known what counts, else for this client; over again when something more turns out to count. */
  #forward(request: Request, found: Kept | undefined, failure: Failure, part?: Kept): Outcome {
    const calls: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      const asked = this.#askedFor(request, found);
      const outcome = this.#ask({ request, asked }, found, failure, part);
      calls.push(...outcome.calls);
      if ('isRefused' in outcome) return this.#askOwn(request, failure, calls);
      if (outcome.body !== OTHERS) return { ...outcome, calls };
    }
    return this.#askOwn(request, failure, calls);
  }

  #askOwn(request: Request, failure: Failure, calls: string[]): Outcome {
    const own = this.#ask({ request, asked: { ...request, way: { kind: 'personal' } } }, undefined, failure);
    if ('isRefused' in own) throw new Error('its own client may always have it');
    return { ...own, calls: [...calls, ...own.calls] };
  }

  #askedFor(request: Request, found: Kept | undefined): Asked {
    const { profile } = this.#siteOf(request);
    return this.#knowledge[request.gateway].askedFor(request, found, { profile, now: this.now });
  }

  #ask(turn: Turn, found: Kept | undefined, failure: Failure, part?: Kept): Outcome | Refused {
    const { request, asked } = turn;
    const { profile, contents } = this.#siteOf(request);
    const touched = found !== undefined && mayTouch(asked, found) ? found : undefined;
    const gap = found === undefined && part !== undefined && isForWhole(asked) ? gapOf(part) : undefined;
    const condition =
      gap === undefined ? conditionOf(asked, touched) : { range: gap, ifRange: part?.fields.etag };
    const calls = [callOf(condition, asked)];
    if (failure !== 'none') return this.#failed(turn, found, failure, calls);
    const content = contents[request.url];
    if (content === undefined) throw new Error('no such address');
    const isError = [500, 502, 503, 504].includes(content.status);
    if (isError && found !== undefined) {
      if (mayStandIn(found, request, profile, { now: this.now, isCutOff: false })) {
        return answerFrom(request, found, calls, this.#ageThen(found));
      }
    }
    const arrived = arrive(content, asked, this.now);
    const isSame = isNotModified(content, condition);
    const news = isSame ? { ...arrived, status: 304 } : arrived;
    if (request.method === 'HEAD') return this.#described(turn, touched, { news, arrived }, calls);
    if (isSame && touched !== undefined) return this.#validated(turn, touched, arrived, calls);
    const range = isSame ? undefined : answeredRange(content, condition);
    if (range !== undefined) {
      const piece = { ...arrived, text: onlyRange(arrived.text, range) };
      return gap === undefined
        ? this.#receivePart(turn, part, { piece, range }, calls)
        : this.#completed(turn, part, piece, calls);
    }
    // Nothing of what lacks, though that alone was asked for: all of it is asked for then.
    if (gap !== undefined && [206, 304, 416].includes(news.status)) {
      return this.#askAnew(turn, part, calls);
    }
    return this.#receive(turn, { touched, part, found }, news, calls);
  }

  #askAnew(turn: Turn, unfit: Kept | undefined, calls: string[]): Outcome | Refused {
    if (unfit !== undefined) this.#tiers.forgetBoth(turn.request, unfit);
    const again = this.#ask(turn, undefined, 'none');
    return { ...again, calls: [...calls, ...again.calls] };
  }

  #failed(
    { request, asked }: Turn,
    found: Kept | undefined,
    failure: Failure,
    calls: string[],
  ): Outcome | Refused {
    const isCutOff = failure === 'unreachable';
    const { profile } = this.#siteOf(request);
    if (found !== undefined && mayStandIn(found, request, profile, { now: this.now, isCutOff })) {
      return answerFrom(request, found, calls, this.#ageThen(found));
    }
    if (isCutOff) return { status: 502, body: undefined, age: undefined, calls };
    // An error without a lifetime is for nobody else, and perhaps not for this client either.
    if (asked.way.kind === 'plain') return { isRefused: true, calls };
    return { status: 503, body: undefined, age: undefined, calls };
  }

  #described(
    { request, asked }: Turn,
    touched: Kept | undefined,
    { news, arrived }: { news: News; arrived: News },
    calls: string[],
  ): Outcome | Refused {
    const mayBeKept = this.#judge(asked, news);
    if (touched !== undefined && news.status === 200 && touched.status === 200) {
      this.#update(asked, touched, arrived);
    }
    if (asked.way.kind === 'plain' && !mayBeKept) return this.#refuse(asked, news.status, calls);
    const { age } = this.#siteOf(request).contents[request.url] ?? {};
    const body = isSelectedBy(this.#purges.withPurges(news, request), request) ? undefined : OTHERS;
    return { status: news.status, body, age, calls };
  }

  /** Whether it may be kept; if it may, it tells what counts. */
  #judge(asked: Asked, news: News): boolean {
    const { profile } = this.#siteOf(asked);
    const kept = this.#purges.withPurges(news, asked);
    const isOfWhole = asked.way.kind !== 'personal' || ![206, 304].includes(news.status);
    if (profile === 'safe' && mayKeep(isOfWhole ? kept : { ...kept, status: 200 }, asked, profile)) {
      const names = news.names.filter((name) => name !== WHOLE);
      const isForAuthorized = isMeantForAll(governing(news.fields).directives);
      this.#knowledge[asked.gateway].learn(keyOf(asked), { names, isForAuthorized });
    }
    return mayKeep(kept, asked, profile);
  }

  #refuse(asked: Asked, status: number, calls: string[]): Refused {
    if (status < 500) this.#knowledge[asked.gateway].markPlain(asked, this.now);
    return { isRefused: true, calls };
  }

  /** A part that is passed on, and kept with what is there. */
  #receivePart(
    { request, asked }: Turn,
    part: Kept | undefined,
    { piece, range }: { piece: News; range: { first: number; last: number } },
    calls: string[],
  ): Outcome {
    if (asked.way.kind === 'personal') this.#judge(asked, { ...piece, status: 206 });
    else this.#keepPart(asked, part, piece);
    const { age } = this.#siteOf(request).contents[request.url] ?? {};
    return { status: 206, body: piece.text.slice(range.first, range.last + 1), age, calls };
  }

  #keepPart(request: Asked, part: Kept | undefined, piece: News): Kept | undefined {
    const { profile } = this.#siteOf(request);
    const own = this.#purges.withPurges(piece, request);
    if (!mayKeep(own, request, profile)) return undefined;
    const memory = this.#tiers.inMemory(request);
    const present = newestOf(memory.filter((kept) => isSelectedBy(kept, request))) ?? part;
    if (present !== undefined && isWhole(present)) return undefined;
    const kept = (present === undefined ? undefined : this.#together(request, present, piece)) ?? own;
    this.#keep(request, kept);
    return kept;
  }

  /** RFC 9111 section 3.4: undefined where the two may not be put together. */
  #together(request: Asked, present: Kept, piece: News): Kept | undefined {
    const { etag } = piece.fields;
    if (etag?.startsWith('"') !== true || etag !== present.fields.etag) return undefined;
    const merged = merge(present, piece, request);
    const both = this.#purges.withPurges({ ...merged, text: overlay(present.text, piece.text) }, request);
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

  #completed(
    { request, asked }: Turn,
    part: Kept | undefined,
    piece: News,
    calls: string[],
  ): Outcome | Refused {
    if (part === undefined) throw new Error('nothing to complete');
    const { profile, contents } = this.#siteOf(request);
    if (!mayKeep(this.#purges.withPurges(piece, request), request, profile)) {
      return this.#askAnew({ request, asked }, part, calls);
    }
    const kept = this.#keepPart(asked, part, piece);
    if (kept !== undefined && covers(kept, request)) {
      return answerFrom(request, kept, calls, this.#ageThen(kept));
    }
    // What came did not fit: the function is asked once more, past the cache.
    const content = contents[request.url];
    if (content === undefined) throw new Error('no such address');
    return {
      status: content.status,
      body: textOf(content),
      age: content.age,
      calls: [...calls, callOf({}, { ...request, way: { kind: 'trusting' } })],
    };
  }

  #validated({ request, asked }: Turn, touched: Kept, news: News, calls: string[]): Outcome | Refused {
    if (!isAbout(touched, news)) {
      // It speaks of something else: forgotten, and asked for again.
      return this.#askAnew({ request, asked }, touched, calls);
    }
    const after = this.#purges.withPurges(merge(touched, news, asked), request);
    if (this.#judge(asked, after)) this.#keep(request, after);
    else {
      this.#tiers.forgetBoth(request, touched);
      if (asked.way.kind === 'plain') return this.#refuse(asked, 304, calls);
    }
    if (!isSelectedBy(after, request)) return { ...answerFrom(request, after, calls, 0), body: OTHERS };
    return answerFrom(request, after, calls, this.#ageThen(after));
  }

  /** A message that is passed on, and kept if it may be. */
  #receive(
    { request, asked }: Turn,
    { touched, part, found }: Present & { found: Kept | undefined },
    news: News,
    calls: string[],
  ): Outcome | Refused {
    const kept = this.#purges.withPurges(news, request);
    const { status } = news;
    const age = this.#siteOf(request).contents[request.url]?.age;
    const live = { status, body: status === 304 ? undefined : news.text, age, calls };
    if (!this.#judge(asked, news) || status === 304) {
      const isReplaced = asked.way.kind === 'plain' && found !== undefined && isOwn(found);
      const replaced = isReplaced ? found : touched;
      if (replaced !== undefined && status < 500) this.#tiers.forgetBoth(request, replaced);
      if (part !== undefined && status === 200) this.#tiers.forgetBoth(request, part);
      if (asked.way.kind === 'plain') return this.#refuse(asked, status, calls);
      if (isLasting(status) && isRefusedForAll(request, kept)) {
        this.#knowledge[request.gateway].mark(keyOf(request), this.now);
      }
      return live;
    }
    this.#knowledge[request.gateway].clear(keyOf(request));
    if (asked.way.kind === 'personal' && speaks(request)) return live;
    this.#keep(request, kept);
    if (!isSelectedBy(kept, request)) return { ...live, body: OTHERS };
    if (request.ifNoneMatch !== undefined || request.range !== undefined)
      return answerFrom(request, kept, calls, this.#ageThen(kept));
    return live;
  }

  /** What a HEAD tells of what is kept. */
  #update(asked: Asked, touched: Kept, news: News): void {
    const { etag, lastModified } = news.fields;
    const isSame =
      (etag === undefined || etag === touched.fields.etag) &&
      (lastModified === undefined || lastModified === touched.fields.lastModified);
    const after = this.#purges.withPurges(merge(touched, news, asked), asked);
    if (isSame && this.#judge(asked, after)) this.#keep(asked, after);
    else this.#tiers.forgetBoth(asked, touched);
  }

  #keep(request: Request, kept: Kept): void {
    const { profile } = this.#siteOf(request);
    const keep = (): void => this.#tiers.keep(request, kept, { now: this.now, profile });
    if (this.#deferred === undefined) keep();
    else this.#deferred.push(keep);
  }

  #refresh(request: Request, found: Kept, failure: Failure): string[] {
    if (isAlone(request, found)) return [];
    // Another gateway may have been faster.
    const key = keyOf(request);
    const far = farOf(this.#desk(request), request);
    if (far !== undefined && isWhole(far)) {
      const at = { now: this.now, isSoft: this.#purges.stateOf(far) === 'soft' };
      const { profile } = this.#siteOf(request);
      if (useOf(far, { ...request, directives: {} }, profile, at) === 'fresh') {
        this.#tiers.remember(request.gateway, key, far);
        return [];
      }
    }
    const asked = { ...this.#askedFor(request, found), method: 'GET' } as const;
    return this.#ask({ request: { ...request, method: 'GET' }, asked }, found, failure).calls;
  }

  #post(request: Request, failure: Failure): Outcome {
    const content = this.#siteOf(request).contents[request.url];
    if (content === undefined) throw new Error('no such address');
    const calls = [callOf({ tag: request.ifNoneMatch }, { ...request, way: { kind: 'trusting' } })];
    if (failure === 'unreachable') return { status: 502, body: undefined, age: undefined, calls };
    if (failure === 'status-503') return { status: 503, body: undefined, age: undefined, calls };
    const { status, age } = content;
    const key = keyOf(request);
    if (status < 400) {
      this.#tiers.forgetNear(request);
      this.#purges.purge(`url ${key}`, 'hard');
    }
    return { status, body: textOf(content), age, calls };
  }

  #siteOf({ site }: Request): Site {
    const found = this.#sites[site];
    if (found === undefined) throw new Error('no such site');
    return found;
  }
}
