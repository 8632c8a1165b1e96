import { createHash } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';
import { HEADER_BYTES, NO_CLAIM, STAMP_AT } from '../entry.ts';

export type Client = Redis | Cluster;

export type Script = { name: string; lua: string; sha: string };

const script = (name: string, lua: string): Script => ({
  name,
  lua,
  sha: createHash('sha1').update(lua).digest('hex'),
});

// Every key is declared: Dragonfly refuses others, and a cluster finds the slot by them. Offsets are those of
// entry.ts, and Lua counts from 1. Compared texts are digits of equal width, so that order of text is order of number.

// The header of the entry under the first key. What is none of ours (another type, the plain text that some other program
// put there) counts as nothing: it can neither outrank a revision nor hold a claim, and whatever is written replaces it.
const HEAD = `local head = redis.pcall('GETRANGE', KEYS[1], 0, ${HEADER_BYTES - 1})
if type(head) ~= 'string' or #head < ${HEADER_BYTES} or string.sub(head, 1, 2) ~= 'o1' then head = '' end
`;

export const WRITE: Script = script(
  'write',
  `${HEAD}if string.sub(head, 9, 24) > string.sub(ARGV[1], 9, 24) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`,
);

// "There is no such thing" has no revision of its own: it takes over the one that stood there.
export const FILL: Script = script(
  'fill',
  `${HEAD}if string.sub(head, 25, 33) ~= ARGV[3] then return -1 end
local entry = ARGV[1]
local floor = string.sub(head, 9, 24)
if floor > string.sub(entry, 9, 24) then
  if string.sub(entry, 3, 3) ~= 'n' then return 0 end
  entry = string.sub(entry, 1, 8) .. floor .. string.sub(entry, 25)
end
redis.call('SET', KEYS[1], entry, 'PX', ARGV[2])
return 1`,
);

// With ARGV[5] it takes only what no entry of ours stands under. Answers 2 where it replaced something that was none.
export const CLAIM: Script = script(
  'claim',
  `${HEAD}if head == '' then
  local replaced = redis.call('EXISTS', KEYS[1])
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[4])
  return 1 + replaced
end
if ARGV[5] == '1' or string.sub(head, 34, 46) > ARGV[3] then return 0 end
redis.call('SETRANGE', KEYS[1], 24, ARGV[2])
return 1`,
);

export const UNCLAIM: Script = script(
  'unclaim',
  `${HEAD}if string.sub(head, 25, 33) ~= ARGV[1] then return 0 end
if string.sub(head, 3, 3) == 'c' then redis.call('DEL', KEYS[1])
else redis.call('SETRANGE', KEYS[1], 24, '${NO_CLAIM}') end
return 1`,
);

// A soft purge (ARGV[4]: its grace) changes the header of a value in one write: the claim is gone, the nonce is another,
// the revision the higher one. A server out of memory refuses that and the tombstone but never the DEL: a purge must not
// fail for want of memory.
export const PURGE: Script = script(
  'purge',
  `${HEAD}local grave = ARGV[1]
local reply
if head ~= '' then
  local kind = string.sub(head, 3, 3)
  local rev = string.sub(head, 9, 24)
  if (kind == 'v' or kind == 'n') and ARGV[3] ~= '0000000000000000' and rev >= ARGV[3] then return 0 end
  if rev > string.sub(grave, 9, 24) then
    grave = string.sub(grave, 1, 8) .. rev .. string.sub(grave, 25)
  end
  if (kind == 'v' or kind == 's') and ARGV[4] ~= '0' then
    local fresh = string.sub(head, 60, 72)
    local purged = string.sub(grave, 47, 59)
    if purged < fresh then fresh = purged end
    local stale = 's' .. string.sub(head, 4, 8) .. string.sub(grave, 9, 46) .. string.sub(head, 47, 59) .. fresh
      .. string.sub(head, 73, 86) .. string.sub(grave, 87, 94)
    reply = redis.pcall('SETRANGE', KEYS[1], 2, stale)
    if type(reply) == 'number' then
      if redis.call('PTTL', KEYS[1]) > tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
      return 1
    end
  end
end
reply = redis.pcall('SET', KEYS[1], grave, 'PX', ARGV[2])
if type(reply) == 'table' and reply.err then redis.call('DEL', KEYS[1]) end
return 1`,
);

export const REPLACE: Script = script(
  'replace',
  `${HEAD}if string.sub(head, ${STAMP_AT + 1}) ~= ARGV[3] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`,
);

// What a server out of memory cannot replace it can still remove: to whoever compares, that is a change as well.
export const SUPERSEDE: Script = script(
  'supersede',
  `local reply = redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
if type(reply) == 'table' and reply.err then redis.call('DEL', KEYS[1]) end
if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
reply = redis.pcall('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
if type(reply) == 'table' and reply.err then redis.call('DEL', KEYS[2]) end
return 1`,
);

export const ENSURE: Script = script(
  'ensure',
  `local current = redis.pcall('GET', KEYS[1])
if type(current) == 'string' then return current end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]`,
);

// The fence never falls behind the clock, so that it still grows after the counter itself was lost.
export const LOCK: Script = script(
  'lock',
  `if redis.call('EXISTS', KEYS[1]) == 1 then return false end
local before = tonumber(redis.call('GET', KEYS[2]) or '0')
local fence = string.format('%.0f', math.max(before + 1, tonumber(ARGV[3])))
redis.call('SET', KEYS[2], fence, 'PX', ARGV[4])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return fence`,
);

export const RENEW_LOCK: Script = script(
  'renew-lock',
  `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`,
);

export const RELEASE_LOCK: Script = script(
  'release-lock',
  `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`,
);

// Lists that are numbered by time (`now` is not 0) show no number that the server's clock has not reached. So a list
// that was lost and begins anew at that clock numbers above whatever a reader has, however soon it begins. Numbers a
// second and more ahead are shown: then it was the clock that went back. A user who may not ask for the time goes by the
// caller's clock.
const NOW = `local now = tonumber(ARGV[3])
if now > 0 then
  local time = redis.pcall('TIME')
  if time[1] then now = time[1] * 1000000 + time[2] end
end
local function ahead(seq)
  if now == 0 or seq <= now or seq - now >= 1000000 then return 0 end
  return seq - now
end
`;

export const APPEND: Script = script(
  'append',
  `${NOW}local newest = redis.pcall('LINDEX', KEYS[1], -1)
if type(newest) == 'table' then
  redis.call('DEL', KEYS[1])
  newest = nil
end
local seq = now
if newest then seq = tonumber(string.match(newest, '^(%d+)|')) or seq end
for index = 4, #ARGV do
  seq = seq + 1
  redis.call('RPUSH', KEYS[1], string.format('%.0f|', seq) .. ARGV[index])
end
redis.call('LTRIM', KEYS[1], -tonumber(ARGV[1]), -1)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return ahead(seq)`,
);

export const READ_AFTER: Script = script(
  'read-after',
  `${NOW}local newest = redis.pcall('LINDEX', KEYS[1], -1)
if type(newest) ~= 'string' then return {0, {}} end
local last = tonumber(string.match(newest, '^(%d+)|')) or 0
local first = tonumber(string.match(redis.call('LINDEX', KEYS[1], 0), '^(%d+)|')) or 1
last = last - ahead(last)
local after = tonumber(ARGV[1])
if after > last then after = 0 end
local start = math.max(0, after - first + 1)
local stop = math.min(start + tonumber(ARGV[2]), last - first + 1) - 1
if stop < start then return {last, {}} end
return {last, redis.call('LRANGE', KEYS[1], start, stop)}`,
);

// An epoch ends when its hash is lost (flush, eviction) or when another server process holds the key (restart from
// a snapshot, failover): what that one knows of leases may be behind.
const EPOCH = `local epoch = redis.pcall('HGET', KEYS[1], 'epoch')
if type(epoch) ~= 'string' or redis.call('HGET', KEYS[1], 'run') ~= ARGV[3] then
  redis.call('DEL', KEYS[1])
  epoch = ARGV[1]
  redis.call('HSET', KEYS[1], 'epoch', epoch, 'since', ARGV[2], 'seq', 0, 'run', ARGV[3])
end
`;

export const RENEW_LEASE: Script = script(
  'renew-lease',
  `${EPOCH}local new = redis.call('HSET', KEYS[1], 'm:' .. ARGV[4], ARGV[5])
local seq = redis.call('HGET', KEYS[1], 'seq')
redis.call(ARGV[8], ARGV[6], 'h ' .. epoch .. ' ' .. seq .. ' ' .. ARGV[4] .. ' ' .. ARGV[7] .. ' ' .. new)
return {epoch, seq}`,
);

// Out of memory, the counter cannot grow: the message then goes out as number 0, which nobody can acknowledge, and
// the publisher waits until the leases have run out.
export const PUBLISH: Script = script(
  'publish',
  `${EPOCH}local seq = redis.pcall('HINCRBY', KEYS[1], 'seq', 1)
if type(seq) == 'table' then seq = 0 end
redis.call(ARGV[6], ARGV[5], 'i ' .. epoch .. ' ' .. seq .. ' ' .. ARGV[4])
return {seq, redis.call('HGETALL', KEYS[1])}`,
);

// Only a heartbeat makes a member, and tells it that it is new: one that was forgotten does not come back by this.
export const ACK: Script = script(
  'ack',
  `if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 0 end
redis.call(ARGV[6], ARGV[5], 'a ' .. ARGV[1] .. ' ' .. ARGV[4] .. ' ' .. ARGV[2])
if redis.call('HGET', KEYS[1], 'm:' .. ARGV[2]) then redis.pcall('HSET', KEYS[1], 'm:' .. ARGV[2], ARGV[3]) end
return 1`,
);

export const FORGET: Script = script(
  'forget',
  `if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])`,
);

type Argument = string | number | Buffer;

/** Runs a script by its hash; sends its text where the server does not know it yet. */
export async function runScript(
  client: Client,
  { lua, sha }: Script,
  scriptKeys: readonly string[],
  args: readonly Argument[],
): Promise<unknown> {
  try {
    return await client.evalsha(sha, scriptKeys.length, ...scriptKeys, ...args);
  } catch (error) {
    if (!isUnknownScript(error)) throw error;
    return client.eval(lua, scriptKeys.length, ...scriptKeys, ...args);
  }
}

function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}
