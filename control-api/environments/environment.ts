import { randomUUID } from 'node:crypto';
import { and, asc, eq } from 'drizzle-orm';
import { keys } from '../../cache/keys.ts';
import type { ProjectEnvironment } from '../../cache/value-schemas.ts';
import type { ChangeEnvironment, EnvironmentInfo } from '../../contracts/control-api-admin.ts';
import type { Caller } from '../access/caller.ts';
import type { Context } from '../context.ts';
import { inTransaction, type Database } from '../database/database.ts';
import { environmentRevisions, environments } from '../database/schema.ts';
import { Failure } from '../failure.ts';
import type { ProjectRow } from '../projects/project.ts';
import { noteEndings, tellEndings } from '../endings/endings.ts';
import { remember } from '../endings/remember.ts';
import { packVariables, readVariables } from './revision.ts';

const MAX_VARIABLES = 500;
// A function gets all of them with every call.
const MAX_BYTES: number = 256 * 1024;

/** Names of variables only, through the cache: values never go there in clear. */
export async function listEnvironments(context: Context, project: ProjectRow): Promise<EnvironmentInfo[]> {
  const found = await remember(context, keys.projectEnvironments(project.id), () =>
    selectEnvironments(context.db, project.id),
  );
  return (found ?? []).map(toInfo);
}

/** One environment; with `reveal`, its values too. An environment that was never changed is empty. */
export async function getEnvironment(
  context: Context,
  { project, name, reveal }: { project: ProjectRow; name: string; reveal: boolean },
): Promise<EnvironmentInfo> {
  const found = (await listEnvironments(context, project)).find((environment) => environment.name === name);
  const info = found ?? { name, revisionId: null, createdAt: null, names: [] };
  if (!reveal) return info;
  return {
    ...info,
    variables: await readVariables(context.db, info.revisionId, context.config.ENVIRONMENT_KEY),
  };
}

export type EnvironmentChange = {
  project: ProjectRow;
  caller: Caller;
  name: string;
  body: ChangeEnvironment;
};

/** A new revision; deployments that exist keep the one that they began with. */
export async function changeEnvironment(
  context: Context,
  change: EnvironmentChange,
): Promise<EnvironmentInfo> {
  const endings = await inTransaction(context.db, async (tx) => {
    await addRevision(tx, context, change);
    return await noteEndings(tx, [keys.projectEnvironments(change.project.id)]);
  });
  await tellEndings(context, endings);
  return await getEnvironment(context, { ...change, reveal: false });
}

async function addRevision(
  tx: Database,
  { config }: Context,
  { project, caller, name, body }: EnvironmentChange,
): Promise<void> {
  const environment = await holdEnvironment(tx, project.id, name);
  const current = environment.currentRevisionId;
  const before = await readVariables(tx, current, config.ENVIRONMENT_KEY);
  const variables = merge(before, body);
  refuseTooLarge(variables);
  const id = randomUUID();
  await tx.insert(environmentRevisions).values({
    id,
    environmentId: environment.id,
    number: (await numberOf(tx, current)) + 1,
    names: Object.keys(variables).toSorted(),
    ...packVariables(variables, id, config.ENVIRONMENT_KEY),
    createdBy: caller.userId,
  });
  await tx.update(environments).set({ currentRevisionId: id }).where(eq(environments.id, environment.id));
}

function merge(
  before: Record<string, string>,
  { set = {}, unset = [] }: ChangeEnvironment,
): Record<string, string> {
  const removed = new Set(unset);
  const kept = Object.entries(before).filter(([name]) => !removed.has(name));
  return { ...Object.fromEntries(kept), ...set };
}

function refuseTooLarge(variables: Record<string, string>): void {
  const count = Object.keys(variables).length;
  const bytes = Buffer.byteLength(JSON.stringify(variables));
  if (count <= MAX_VARIABLES && bytes <= MAX_BYTES) return;
  const limit = `at most ${MAX_VARIABLES} variables and ${MAX_BYTES} bytes in all are allowed`;
  throw new Failure(
    'BAD_REQUEST',
    `The environment would have ${count} variables and ${bytes} bytes; ${limit}.`,
  );
}

/** The environment's row, made where it is new, held so that changes come one after the other. */
async function holdEnvironment(
  tx: Database,
  projectId: string,
  name: string,
): Promise<{ id: string; currentRevisionId: string | null }> {
  await tx.insert(environments).values({ id: randomUUID(), projectId, name }).onConflictDoNothing();
  const [row] = await tx
    .select({ id: environments.id, currentRevisionId: environments.currentRevisionId })
    .from(environments)
    .where(and(eq(environments.projectId, projectId), eq(environments.name, name)))
    .for('update');
  if (row === undefined) throw new Failure('CONFLICT', 'The project was just deleted.');
  return row;
}

async function numberOf(tx: Database, revisionId: string | null): Promise<number> {
  if (revisionId === null) return 0;
  const [row] = await tx
    .select({ number: environmentRevisions.number })
    .from(environmentRevisions)
    .where(eq(environmentRevisions.id, revisionId));
  return row?.number ?? 0;
}

async function selectEnvironments(db: Database, projectId: string): Promise<ProjectEnvironment[]> {
  const rows = await db
    .select({
      id: environments.id,
      name: environments.name,
      revisionId: environments.currentRevisionId,
      createdAt: environmentRevisions.createdAt,
      names: environmentRevisions.names,
    })
    .from(environments)
    .innerJoin(environmentRevisions, eq(environmentRevisions.id, environments.currentRevisionId))
    .where(eq(environments.projectId, projectId))
    .orderBy(asc(environments.name));
  return rows.map(({ names, createdAt, ...row }) => ({
    ...row,
    createdAt: createdAt.toISOString(),
    variableNames: names,
  }));
}

function toInfo({ name, revisionId, createdAt, variableNames }: ProjectEnvironment): EnvironmentInfo {
  return { name, revisionId, createdAt, names: variableNames };
}
