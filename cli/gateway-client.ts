import { request } from 'undici';
import type { z } from 'zod';
import { CliError, EXIT } from './cli-error.ts';
import type { CliContext } from './context.ts';
import { createControlApiClient } from './control-api-client.ts';

/** Where a gateway's admin server listens unless it was told otherwise. */
export const DEFAULT_GATEWAY_ADMIN_URL = 'http://127.0.0.1:7779';

const TIMEOUT_MS = 10_000;

/** Asks the admin server of a gateway, which speaks as the control API does. @throws CliError */
export async function askGateway<Answer>(
  { signal }: Pick<CliContext, 'signal'>,
  adminUrl: string,
  ask: { path: string; answer: z.ZodType<Answer> },
): Promise<Answer> {
  const client = createControlApiClient({ apiUrl: adminUrl.replace(/\/+$/, ''), retries: 0 });
  try {
    return await client.call({ method: 'GET', ...ask, timeoutMs: TIMEOUT_MS, signal });
  } catch (error) {
    if (!(error instanceof CliError) || (error.code !== 'UNREACHABLE' && error.code !== 'BAD_ANSWER'))
      throw error;
    throw new CliError('GATEWAY_UNREACHABLE', `No gateway answers at ${adminUrl}.`, {
      exitCode: EXIT.unreachable,
      hint: 'Name the address of its admin server with --gateway (GATEWAY_ADMIN_HOST and GATEWAY_ADMIN_PORT there).',
      cause: error,
    });
  } finally {
    await client.close();
  }
}

/** The Date header of its admin server; empty where it sends none. */
export async function askGatewayDate(
  { signal }: Pick<CliContext, 'signal'>,
  adminUrl: string,
): Promise<string> {
  const url = `${adminUrl.replace(/\/+$/, '')}/status`;
  const { headers, body } = await request(url, {
    signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
  });
  await body.dump();
  return String(headers['date'] ?? '');
}
