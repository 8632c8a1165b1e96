import { tagOfUrl } from '../../cache/url-tag.ts';
import type { HeaderList } from '../../runner-client/runner-client.ts';
import { addressOf, type Asked } from './asked.ts';
import type { Flights } from './collapse.ts';
import { groupsOf, invalidatedTargets, isInvalidating } from './invalidation.ts';
import { tagOfGroup } from './markers.ts';
import type { ResponseStore } from './response-store.ts';
import type { SharedCache } from './shared-cache.ts';

// The answer to the unsafe request waits for its effect, but not for a gateway that does not answer.
const MAX_WAIT_MS = 500;

export type InvalidateParts = { store: ResponseStore; shared: SharedCache; flights: Flights };

/**
 * Makes stored responses invalid that an unsafe request may have changed (RFC 9111 section 4.4, RFC 9875 section 2.2): here and in every other
 * gateway, before its own response goes out.
 */
export async function invalidateAfter(
  parts: InvalidateParts,
  asked: Asked,
  status: number,
  headers: HeaderList,
): Promise<void> {
  if (!isInvalidating(asked.exchange.method, status)) return;
  const origin = `${asked.proto}://${asked.host}`;
  const { rawPath, search } = asked.exchange.target;
  const url = URL.parse(`${origin}${rawPath}${search}`);
  const { deploymentId } = asked.address;
  const purges = groupsOf(headers, 'cache-group-invalidation').map((group) =>
    parts.shared.purge({ projectId: asked.projectId, deploymentId, tag: tagOfGroup(origin, group) }),
  );
  if (url !== null) {
    const own = { rawPath, search };
    const others = invalidatedTargets(url, headers).slice(1);
    for (const target of [own, ...others]) purges.push(invalidateTarget(parts, asked, target));
  }
  await Promise.race([Promise.all(purges), delay(MAX_WAIT_MS)]);
}

/** What is only being asked for counts, here and elsewhere: it may have been made before the change. */
function invalidateTarget(
  { store, shared, flights }: InvalidateParts,
  asked: Asked,
  { rawPath, search }: { rawPath: string; search: string },
): Promise<void> {
  for (const proto of ['http', 'https']) {
    const address = addressOf(asked, rawPath, search, proto);
    flights.letNobodyJoin(address.key);
    store.forgetNear(address);
  }
  const tag = tagOfUrl(asked.host, rawPath, search, asked.ignored);
  return shared.purge({ projectId: asked.projectId, deploymentId: asked.address.deploymentId, tag });
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
