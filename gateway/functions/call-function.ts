import type { FunctionResource } from '../../contracts/manifest.ts';
import type { Answer, Exchange } from '../exchange.ts';
import type { CompiledSite } from '../site/compile-site.ts';
import { clientSignal } from './client-signal.ts';
import { forwardInformational } from './informational.ts';
import { toAnswer, toTunnel } from './to-answer.ts';
import { createUpstream, type UpstreamParts } from './upstream.ts';

export type FunctionCaller = {
  /** Answers a request with its function; for an upgrade (`isUpgrade`), perhaps with a tunnel. */
  call(exchange: Exchange, site: CompiledSite, resource: FunctionResource): Promise<Answer>;
  /** The answer of a GET or HEAD without waiting, where what is stored in memory is one; never calls the function. */
  fromMemory?(exchange: Exchange, site: CompiledSite, resource: FunctionResource): Answer | undefined;
};

export type FunctionCallerParts = UpstreamParts;

/** Proxies a request to its function and the function's answer to the client, both streamed, nothing stored. */
export function createFunctionCaller(parts: FunctionCallerParts): FunctionCaller {
  const upstream = createUpstream(parts);
  return {
    call: async (exchange, site, resource) => {
      exchange.event.route = exchange.isUpgrade ? 'upgrade' : 'function';
      exchange.event.cache = 'bypass';
      const call = await upstream.prepare(exchange, site, resource);
      const signal = clientSignal(exchange);
      if (!exchange.isUpgrade) {
        const onInformational = forwardInformational(exchange);
        const reply = await upstream.fetch(call, { signal, onInformational });
        return toAnswer(exchange, reply, `fwd=bypass; fwd-status=${reply.status}`);
      }
      const upgraded = await upstream.upgrade(call, { signal });
      return upgraded.kind === 'switched'
        ? toTunnel(exchange, upgraded)
        : toAnswer(exchange, upgraded.reply, `fwd=bypass; fwd-status=${upgraded.reply.status}`);
    },
  };
}
