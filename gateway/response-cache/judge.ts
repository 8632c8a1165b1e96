import { deploymentTag } from '../../cache/tags.ts';
import { tagOfUrl } from '../../cache/url-tag.ts';
import type { HeaderList } from '../../runner-client/runner-client.ts';
import type { Exchanged } from './age.ts';
import type { Asked } from './asked.ts';
import { policyOf, type CachePolicy } from './cache-policy.ts';
import { freshnessOf, type Freshness } from './freshness.ts';
import { groupsOf } from './invalidation.ts';
import { tagOfGroup } from './markers.ts';
import { storeVerdict, type StoreVerdict } from './storable.ts';
import { mayCarry } from './plain-call.ts';
import { tagsOf } from './tags.ts';
import { unionOf, varyNamesOf, WHOLE_REQUEST } from './vary.ts';

/** All that the policy says of a response. */
export type Judgement = {
  policy: CachePolicy;
  freshness: Freshness;
  verdict: StoreVerdict;
  /** What selects the response: what it names in Vary, and whatever of the request could have shaped it. */
  varyNames: readonly string[];
  /** Everything by which the response may be purged. */
  tags: readonly string[];
};

export type Judged = Exchanged & { status: number; headers: HeaderList };

export function judge(asked: Asked, response: Judged): Judgement {
  const { profile } = asked;
  const policy = policyOf(response.headers);
  const freshness = freshnessOf(response, policy, profile);
  const { tags, isTooMany } = tagsOf(response.headers);
  const request = {
    method: asked.exchange.method === 'HEAD' ? 'GET' : asked.exchange.method,
    hasAuthorization: asked.hasAuthorization,
    isNoStore: asked.directives.isNoStore,
  };
  const verdict: StoreVerdict = isTooMany
    ? { kind: 'refuse', why: 'tags' }
    : storeVerdict(request, response, { policy, freshness, profile });
  return {
    policy,
    freshness,
    verdict,
    varyNames: selectingNames(asked, response.headers),
    tags: [...ownTags(asked), ...tags, ...groupTags(asked, response.headers)],
  };
}

function selectingNames({ reach }: Asked, headers: HeaderList): readonly string[] {
  const named = varyNamesOf(headers);
  const names = named === '*' ? [] : named;
  switch (reach.kind) {
    case 'trusting':
      return names;
    case 'personal':
      return unionOf(names.filter(mayCarry), [WHOLE_REQUEST]);
    case 'plain':
      return unionOf(names.filter(mayCarry), reach.names);
    default:
      return reach satisfies never;
  }
}

function ownTags(asked: Asked): string[] {
  return [deploymentTag(asked.address.deploymentId), urlTagOf(asked)];
}

/** The tag of the address asked for. */
export function urlTagOf({ host, exchange: { target }, ignored }: Asked): string {
  return tagOfUrl(host, target.rawPath, target.search, ignored);
}

function groupTags({ proto, host }: Asked, headers: HeaderList): string[] {
  return groupsOf(headers, 'cache-groups').map((group) => tagOfGroup(`${proto}://${host}`, group));
}
