import { deploymentTag, generationTag } from '../../cache/tags.ts';
import type { Answer } from '../exchange.ts';
import { clientSignal } from '../functions/client-signal.ts';
import { forwardInformational } from '../functions/informational.ts';
import type { Asked } from './asked.ts';
import { endToEnd } from './end-to-end.ts';
import { invalidateAfter } from './invalidate.ts';
import { isOwnLocation } from './invalidation.ts';
import { judge, urlTagOf } from './judge.ts';
import { keepReply, type AskParts } from './keep-reply.ts';
import { liveAnswer } from './live-answer.ts';
import { takeSnapshot, type Snapshot } from './markers.ts';

/** Methods other than GET and HEAD: called without looking at the cache, which then forgets what they may have changed. */
export async function passThrough(parts: AskParts, asked: Asked): Promise<Answer> {
  const { exchange, site, resource } = asked;
  exchange.event.cache = 'bypass';
  const call = await parts.upstream.prepare(exchange, site, resource);
  const snapshot = await snapshotForPost(parts, asked);
  const requestedAtMs = parts.clock.nowMs();
  const onInformational = forwardInformational(exchange);
  const reply = await parts.upstream.fetch(call, { signal: clientSignal(exchange), onInformational });
  const times = { requestedAtMs, receivedAtMs: parts.clock.nowMs() };
  const headers = endToEnd(reply);
  const forwarded = { kind: 'forward', why: 'method', status: reply.status, isCollapsed: false } as const;
  const whole = { ...asked, exchange: { ...exchange, method: 'GET' } };
  await invalidateAfter(parts, asked, reply.status, headers);
  const judgement = judge(whole, { status: reply.status, headers, ...times });
  const isForGet = judgement.freshness.isExplicit && judgement.verdict.kind === 'store';
  if (snapshot !== undefined && isForGet && isOwnLocation(urlOf(asked), headers)) {
    const received = {
      parts,
      asked: whole,
      before: undefined,
      touched: undefined,
      flight: parts.flights.begin(asked.address.key, { isBackground: false }),
      snapshot: await afterOwnPurge(parts, asked, snapshot),
      reply,
      times,
    };
    const kept = keepReply(received, headers);
    if (kept.kind === 'reply') return liveAnswer(exchange, kept, { ...forwarded, isStored: true });
  }
  const live = { status: reply.status, headers, body: reply.body };
  return liveAnswer(exchange, live, { ...forwarded, isStored: false });
}

/** RFC 9110 section 9.3.3: with explicit freshness and its own Content-Location, the response to POST answers GET. */
async function snapshotForPost({ shared }: AskParts, asked: Asked): Promise<Snapshot | undefined> {
  if (asked.exchange.method !== 'POST' || asked.profile !== 'rfc') return undefined;
  return takeSnapshot(shared, asked.projectId, {
    url: urlTagOf(asked),
    known: [deploymentTag(asked.address.deploymentId)],
  });
}

/** The response itself is what its own purge of the address made room for. */
async function afterOwnPurge(
  { shared }: AskParts,
  asked: Asked,
  { projectId, versions }: Snapshot,
): Promise<Snapshot | undefined> {
  const url = generationTag(urlTagOf(asked));
  const [present] = (await shared.versions(projectId, [url], { isCurrent: true })) ?? [];
  return present === undefined ? undefined : { projectId, versions: new Map(versions).set(url, present) };
}

function urlOf({ proto, host, exchange: { target } }: Asked): URL {
  return new URL(`${proto}://${host}${target.rawPath}${target.search}`);
}
