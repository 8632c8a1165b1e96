import {
  functionLogPageSchema,
  functionLogsPath,
  type FunctionLogPage,
  type LogLevel,
} from '../../contracts/function-logs.ts';
import type { ControlApiClient } from '../control-api-client.ts';
import type { KeepTrying } from './keep-trying.ts';
import { CALL_TIMEOUT_MS, WAIT_MS } from './waits.ts';

/** Which lines of functions. */
export type FunctionLogQuery = {
  deployment?: string | undefined;
  domain?: string | undefined;
  track?: string | undefined;
  level?: LogLevel | undefined;
  since?: string | undefined;
  request?: string | undefined;
};

export type FunctionLogReader = {
  client: ControlApiClient;
  project: string;
  query: FunctionLogQuery;
  signal: AbortSignal;
  keepTrying: KeepTrying;
};

/** What is there now: the last `tail` lines, or all. */
export async function readFunctionLog(
  reader: FunctionLogReader,
  tail: number | undefined,
): Promise<FunctionLogPage> {
  const first = await ask(reader, { tail });
  const entries = [...first.entries];
  let page = first;
  while (!page.isAtEnd) {
    page = await ask(reader, { cursor: page.cursor });
    entries.push(...page.entries);
  }
  return { ...page, entries };
}

/** What comes after a page, as it comes; never ends. */
export async function* followFunctionLog(
  reader: FunctionLogReader,
  from: FunctionLogPage,
): AsyncGenerator<FunctionLogPage> {
  for (let { cursor } = from; ;) {
    const page = await ask(reader, { cursor, waitMs: WAIT_MS });
    ({ cursor } = page);
    yield page;
  }
}

type Position = { cursor?: string; tail?: number | undefined; waitMs?: number };

async function ask(
  { client, project, query, signal, keepTrying }: FunctionLogReader,
  position: Position,
): Promise<FunctionLogPage> {
  const given = Object.entries({ ...query, ...position }).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)]],
  );
  const path = `${functionLogsPath(project)}?${new URLSearchParams(given).toString()}`;
  return keepTrying(() =>
    client.call({
      method: 'GET',
      path,
      answer: functionLogPageSchema,
      timeoutMs: CALL_TIMEOUT_MS,
      signal,
    }),
  );
}
