import { setTimeout as sleep } from 'node:timers/promises';
import type { Authorization, Order } from 'acme-client';
import type { Context } from '../context.ts';
import { isNotFound, problemOf, toProblemFailure } from './acme-transport.ts';
import type { Authority } from './authority.ts';
import { putChallenge, removeChallenge } from './challenges.ts';
import type { AcmeSettings } from './config.ts';
import { CertificateFailure } from './failure.ts';
import { checkChain, makeKey } from './keys.ts';
import { takeOrder, type Attempt } from './rows.ts';
import { openKey, sealKey } from './sealed-key.ts';
import { checkReach } from './self-check.ts';

const FIRST_PAUSE_MS = 250;
const MAX_PAUSE_MS = 5000;
/** How long an authority may think before the attempt ends; the order itself goes on, and the next attempt with it. */
const PATIENCE_MS = 120_000;

export type OrderParts = {
  context: Pick<Context, 'db' | 'store' | 'clock' | 'log'>;
  settings: AcmeSettings;
  authority: Authority;
  signal: AbortSignal;
};

/**
 * Orders a certificate (RFC 8555 section 7.4) and notes it in the database. Every step is noted before the next one
 * relies on it: an attempt that was cut off is taken up at the order that it had placed.
 *
 * @throws CertificateFailure, Overtaken.
 */
export async function orderCertificate(parts: OrderParts, attempt: Attempt): Promise<void> {
  const resumed = await resumeOrder(parts, attempt);
  const { order: placed, key } = resumed ?? (await placeOrder(parts, attempt));
  try {
    if (placed.status === 'pending') await proveAll(parts, attempt, placed);
    const ready = await untilSettled(parts, attempt, placed.url, 'ready');
    if (ready.status === 'ready') await parts.authority.finalize(ready, attempt.host, key);
    const valid = await untilSettled(parts, attempt, placed.url, 'valid');
    const chain = await parts.authority.download(valid);
    await keepChain(parts, attempt, { chain, key });
  } catch (error) {
    // What was refused stays refused: the next attempt begins with a new order.
    if (error instanceof CertificateFailure && error.kind === 'refused')
      await attempt.note({ orderUrl: null, orderKey: null });
    throw error;
  }
}

type Placed = { order: Order; key: string };

/** The order of an attempt before, where there is one and something can still come of it. */
async function resumeOrder(
  { settings, authority, context }: OrderParts,
  attempt: Attempt,
): Promise<Placed | undefined> {
  const { orderUrl, orderKey } = attempt.row();
  if (orderUrl === null || orderKey === null) return undefined;
  const key = openKey(orderKey, attempt.host, settings.sealingKey);
  const order = key === undefined ? undefined : await readOrder(authority, orderUrl);
  if (key !== undefined && order !== undefined && order.status !== 'invalid') {
    context.log.info(
      { host: attempt.host, status: order.status },
      'goes on with the order of an attempt before',
    );
    return { order, key };
  }
  await attempt.note({ orderUrl: null, orderKey: null });
  return undefined;
}

/** Undefined: the authority has forgotten it, or it has expired. */
async function readOrder(authority: Authority, url: string): Promise<Order | undefined> {
  try {
    return await authority.readOrder(url);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

async function placeOrder(
  { context, settings, authority, signal }: OrderParts,
  attempt: Attempt,
): Promise<Placed> {
  const { host } = attempt;
  await checkReach({ store: context.store, clock: context.clock, signal }, host, settings.reach);
  await takeOrder(context, host, settings.maxPerHour);
  await attempt.note({ state: 'ordering' });
  const key = makeKey();
  const order = await authority.newOrder(host);
  await attempt.note({ orderUrl: order.url, orderKey: sealKey(key, host, settings.sealingKey) });
  return { order, key };
}

async function proveAll(parts: OrderParts, attempt: Attempt, order: Order): Promise<void> {
  for (const authorization of await parts.authority.readAuthorizations(order)) {
    // An authority may know from before (section 7.1.3).
    if (authorization.status === 'pending') await proveOne(parts, attempt, { order, authorization });
    else refuseUnlessValid(authorization);
  }
}

async function proveOne(
  parts: OrderParts,
  attempt: Attempt,
  { order, authorization }: { order: Order; authorization: Authorization },
): Promise<void> {
  const { authority, context } = parts;
  const challenge = authorization.challenges.find(({ type }) => type === 'http-01');
  if (challenge === undefined || !('token' in challenge) || !/^[\w-]{1,256}$/.test(challenge.token))
    throw new CertificateFailure(
      'refused',
      'The certificate authority offers no proof over HTTP for this name.',
    );
  const { token } = challenge;
  await putChallenge(context, token, await authority.keyAuthorization(challenge));
  const remove = (): Promise<void> => removeChallenge(context, token);
  try {
    await attempt.note({});
    // One that is being looked at already must not be begun again.
    if (challenge.status === 'pending') await authority.prove(challenge);
    await poll(parts, attempt, async () => {
      const [now] = await authority.readAuthorizations({ ...order, authorizations: [authorization.url] });
      if (now === undefined || now.status === 'pending') return undefined;
      refuseUnlessValid(now);
      return now;
    });
  } catch (error) {
    // After any other failure the authority may still come for it.
    if (error instanceof CertificateFailure && error.kind === 'refused') await remove();
    throw error;
  }
  await remove();
}

function refuseUnlessValid({ status, challenges }: Authorization): void {
  if (status === 'valid') return;
  const failed = challenges.find(({ error }) => error !== undefined);
  throw failed === undefined
    ? new CertificateFailure('refused', `The certificate authority's authorization is ${status}.`)
    : toProblemFailure(problemOf(failed.error));
}

/** Waits while the authority works on the order. */
function untilSettled(
  parts: OrderParts,
  attempt: Attempt,
  url: string,
  wanted: 'ready' | 'valid',
): Promise<Order> {
  return poll(parts, attempt, async () => {
    const order = await parts.authority.readOrder(url);
    switch (order.status) {
      case 'invalid':
        throw toProblemFailure(
          problemOf(order.error) ?? { type: 'about:blank', detail: 'the order is invalid' },
        );
      case 'valid':
        return order;
      case 'ready':
        return wanted === 'ready' ? order : undefined;
      case 'pending':
      case 'processing':
        return undefined;
      default:
        return order.status satisfies never;
    }
  });
}

async function poll<Result>(
  { context, signal }: OrderParts,
  attempt: Attempt,
  look: () => Promise<Result | undefined>,
): Promise<Result> {
  const giveUpAtMs = context.clock.monotonicMs() + PATIENCE_MS;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(MAX_PAUSE_MS, pauseMs * 1.5)) {
    const found = await look();
    if (found !== undefined) return found;
    if (context.clock.monotonicMs() > giveUpAtMs)
      throw new CertificateFailure('authority', 'The certificate authority takes too long over the order.');
    await sleep(pauseMs, undefined, { signal });
    await attempt.note({});
  }
}

async function keepChain(
  { settings }: OrderParts,
  attempt: Attempt,
  { chain, key }: { chain: string; key: string },
): Promise<void> {
  const { notBeforeMs, notAfterMs } = checkChain(chain, { host: attempt.host, key });
  await attempt.note({
    chain,
    chainKey: sealKey(key, attempt.host, settings.sealingKey),
    notBefore: new Date(notBeforeMs),
    notAfter: new Date(notAfterMs),
    orderUrl: null,
    orderKey: null,
  });
}
