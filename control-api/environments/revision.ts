import { eq } from 'drizzle-orm';
import { z } from 'zod';
import { openEnvironment, sealEnvironment } from '../../contracts/sealed-environment.ts';
import { messageOf } from '../../core/errors.ts';
import type { Database } from '../database/database.ts';
import { environmentRevisions } from '../database/schema.ts';
import { Failure } from '../failure.ts';

const variablesSchema = z.record(z.string(), z.string());

/** The form in which a revision's variables are kept; `ownerId` binds a sealed text to its row. */
export function packVariables(
  variables: Record<string, string>,
  ownerId: string,
  key: Buffer | undefined,
): { variables: string; isSealed: boolean } {
  return key === undefined
    ? { variables: JSON.stringify(variables), isSealed: false }
    : { variables: sealEnvironment(variables, ownerId, key), isSealed: true };
}

/** The variables of a revision in clear; none where there is no revision. */
export async function readVariables(
  db: Database,
  revisionId: string | null,
  key: Buffer | undefined,
): Promise<Record<string, string>> {
  if (revisionId === null) return {};
  const [row] = await db
    .select({ variables: environmentRevisions.variables, isSealed: environmentRevisions.isSealed })
    .from(environmentRevisions)
    .where(eq(environmentRevisions.id, revisionId));
  if (row === undefined) throw new Error(`the environment revision ${revisionId} is gone`);
  if (!row.isSealed) return variablesSchema.parse(JSON.parse(row.variables));
  return variablesSchema.parse(unseal(row.variables, revisionId, key));
}

function unseal(text: string, revisionId: string, key: Buffer | undefined): unknown {
  const advice = 'Set ENVIRONMENT_KEY to the key with which the variables were saved, or set them again.';
  if (key === undefined)
    throw new Failure('CONFLICT', `The environment is sealed, and no key is configured. ${advice}`);
  try {
    return openEnvironment(text, revisionId, key);
  } catch (error) {
    const message = `The environment cannot be opened (${messageOf(error)}). ${advice}`;
    throw new Failure('CONFLICT', message, { cause: error });
  }
}
