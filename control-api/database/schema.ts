import { boolean, integer, json, pgTable, text, uuid } from 'drizzle-orm/pg-core';
import type { BuildStatus, LogEntry } from '../../contracts/control-api-admin.ts';
import type { DeploymentStatus, Domain, Role, Source } from '../../contracts/control-api.ts';
import type {
  CertificateFailureKind as FailureKind,
  CertificateState,
} from '../../contracts/certificates.ts';
import type { Encoding, Manifest } from '../../contracts/manifest.ts';
import {
  long,
  nextDeploymentOrder,
  nextDomainRevision,
  time,
  type Filled,
  type Given,
  type Maybe,
  type Table,
} from './columns.ts';

// What the migrations create, as the queries see it: a line of types and a line of columns for each column, which
// the compiler compares. A test compares the columns with the migrated database. Keys, references, checks and
// defaults live in migrations/ alone; columns are in snake_case there (`casing` in open-database.ts).

export const users: Table<{
  id: Given<string>;
  name: Given<string>;
  isAdmin: Given<boolean>;
  createdAt: Filled<Date>;
}> = pgTable('users', {
  id: uuid().notNull(),
  name: text().notNull(),
  isAdmin: boolean().notNull(),
  createdAt: time().notNull().defaultNow(),
});

export const organizations: Table<{
  id: Given<string>;
  name: Given<string>;
  createdAt: Filled<Date>;
}> = pgTable('organizations', {
  id: uuid().notNull(),
  name: text().notNull(),
  createdAt: time().notNull().defaultNow(),
});

export const memberships: Table<{
  organizationId: Given<string>;
  userId: Given<string>;
  role: Given<Role>;
  createdAt: Filled<Date>;
}> = pgTable('memberships', {
  organizationId: uuid().notNull(),
  userId: uuid().notNull(),
  role: text().$type<Role>().notNull(),
  createdAt: time().notNull().defaultNow(),
});

export const apiTokens: Table<{
  id: Given<string>;
  userId: Given<string>;
  name: Given<string>;
  hash: Given<string>;
  createdAt: Filled<Date>;
  expiresAt: Maybe<Date>;
  lastUsedAt: Maybe<Date>;
}> = pgTable('api_tokens', {
  id: uuid().notNull(),
  userId: uuid().notNull(),
  name: text().notNull(),
  hash: text().notNull(),
  createdAt: time().notNull().defaultNow(),
  expiresAt: time(),
  lastUsedAt: time(),
});

export const projects: Table<{
  id: Given<string>;
  organizationId: Given<string>;
  ref: Given<string>;
  name: Given<string>;
  githubInstallationId: Maybe<number>;
  githubRepository: Maybe<string>;
  createdAt: Filled<Date>;
}> = pgTable('projects', {
  id: uuid().notNull(),
  organizationId: uuid().notNull(),
  ref: text().notNull(),
  name: text().notNull(),
  githubInstallationId: long(),
  githubRepository: text(),
  createdAt: time().notNull().defaultNow(),
});

export const environments: Table<{
  id: Given<string>;
  projectId: Given<string>;
  name: Given<string>;
  currentRevisionId: Maybe<string>;
}> = pgTable('environments', {
  id: uuid().notNull(),
  projectId: uuid().notNull(),
  name: text().notNull(),
  currentRevisionId: uuid(),
});

export const environmentRevisions: Table<{
  id: Given<string>;
  environmentId: Given<string>;
  number: Given<number>;
  names: Given<string[]>;
  variables: Given<string>;
  isSealed: Given<boolean>;
  createdBy: Maybe<string>;
  createdAt: Filled<Date>;
}> = pgTable('environment_revisions', {
  id: uuid().notNull(),
  environmentId: uuid().notNull(),
  number: integer().notNull(),
  names: text().array().notNull(),
  variables: text().notNull(),
  isSealed: boolean().notNull(),
  createdBy: uuid(),
  createdAt: time().notNull().defaultNow(),
});

export const tracks: Table<{
  id: Given<string>;
  projectId: Given<string>;
  name: Given<string>;
  deploymentId: Maybe<string>;
  shownOrder: Filled<number>;
  fence: Filled<number>;
  retention: Maybe<number>;
  history: Filled<string[]>;
  createdAt: Filled<Date>;
}> = pgTable('tracks', {
  id: uuid().notNull(),
  projectId: uuid().notNull(),
  name: text().notNull(),
  deploymentId: uuid(),
  shownOrder: long().notNull().default(0),
  fence: long().notNull().default(0),
  retention: integer(),
  history: text().array().notNull().default([]),
  createdAt: time().notNull().defaultNow(),
});

export const deployments: Table<{
  id: Given<string>;
  projectId: Given<string>;
  trackId: Given<string>;
  sequence: Filled<number>;
  status: Given<DeploymentStatus>;
  config: Given<Manifest>;
  files: Given<number>;
  functions: Given<number>;
  bytes: Given<number>;
  source: Maybe<Source>;
  requestedDomains: Given<string[]>;
  environmentRevisionId: Maybe<string>;
  failure: Maybe<string>;
  createdBy: Maybe<string>;
  createdAt: Filled<Date>;
  touchedAt: Filled<Date>;
  finishedAt: Maybe<Date>;
  shownAt: Maybe<Date>;
}> = pgTable('deployments', {
  id: uuid().notNull(),
  projectId: uuid().notNull(),
  trackId: uuid().notNull(),
  sequence: long().notNull().default(nextDeploymentOrder),
  status: text().$type<DeploymentStatus>().notNull(),
  config: json().$type<Manifest>().notNull(),
  files: integer().notNull(),
  functions: integer().notNull(),
  bytes: long().notNull(),
  source: json().$type<Source>(),
  requestedDomains: text().array().notNull(),
  environmentRevisionId: uuid(),
  failure: text(),
  createdBy: uuid(),
  createdAt: time().notNull().defaultNow(),
  touchedAt: time().notNull().defaultNow(),
  finishedAt: time(),
  shownAt: time(),
});

export const replacements: Table<{
  trackId: Given<string>;
  deploymentId: Given<string>;
  replacedAt: Given<Date>;
}> = pgTable('replacements', {
  trackId: uuid().notNull(),
  deploymentId: uuid().notNull(),
  replacedAt: time().notNull(),
});

export const objects: Table<{
  projectId: Given<string>;
  hash: Given<string>;
  size: Given<number>;
  state: Given<'missing' | 'stored'>;
  createdAt: Filled<Date>;
}> = pgTable('objects', {
  projectId: uuid().notNull(),
  hash: text().notNull(),
  size: long().notNull(),
  state: text().$type<'missing' | 'stored'>().notNull(),
  createdAt: time().notNull().defaultNow(),
});

export const deploymentObjects: Table<{
  deploymentId: Given<string>;
  projectId: Given<string>;
  hash: Given<string>;
}> = pgTable('deployment_objects', {
  deploymentId: uuid().notNull(),
  projectId: uuid().notNull(),
  hash: text().notNull(),
});

export const encodedForms: Table<{
  projectId: Given<string>;
  hash: Given<string>;
  coding: Given<Encoding>;
  formHash: Maybe<string>;
  formSize: Maybe<number>;
}> = pgTable('encoded_forms', {
  projectId: uuid().notNull(),
  hash: text().notNull(),
  coding: text().$type<Encoding>().notNull(),
  formHash: text(),
  formSize: long(),
});

export const domains: Table<{
  host: Given<string>;
  projectId: Given<string>;
  trackId: Maybe<string>;
  deploymentId: Maybe<string>;
  kind: Given<Domain['kind']>;
  rev: Filled<number>;
  createdAt: Filled<Date>;
}> = pgTable('domains', {
  host: text().notNull(),
  projectId: uuid().notNull(),
  trackId: uuid(),
  deploymentId: uuid(),
  kind: text().$type<Domain['kind']>().notNull(),
  rev: long().notNull().default(nextDomainRevision),
  createdAt: time().notNull().defaultNow(),
});

export const pendingFlips: Table<{
  host: Given<string>;
  rev: Given<number>;
  createdAt: Filled<Date>;
}> = pgTable('pending_flips', {
  host: text().notNull(),
  rev: long().notNull(),
  createdAt: time().notNull().defaultNow(),
});

export const builds: Table<{
  id: Given<string>;
  projectId: Given<string>;
  track: Given<string>;
  status: Given<BuildStatus>;
  source: Maybe<Source>;
  deploymentId: Maybe<string>;
  createdBy: Maybe<string>;
  createdAt: Filled<Date>;
  finishedAt: Maybe<Date>;
  logCount: Filled<number>;
  logDropped: Filled<number>;
}> = pgTable('builds', {
  id: uuid().notNull(),
  projectId: uuid().notNull(),
  track: text().notNull(),
  status: text().$type<BuildStatus>().notNull(),
  source: json().$type<Source>(),
  deploymentId: uuid(),
  createdBy: uuid(),
  createdAt: time().notNull().defaultNow(),
  finishedAt: time(),
  logCount: long().notNull().default(0),
  logDropped: long().notNull().default(0),
});

export const buildLogs: Table<{
  buildId: Given<string>;
  position: Given<number>;
  entry: Given<LogEntry>;
}> = pgTable('build_logs', {
  buildId: uuid().notNull(),
  position: long().notNull(),
  entry: json().$type<LogEntry>().notNull(),
});

export const pendingDeletions: Table<{
  prefix: Given<string>;
  createdAt: Filled<Date>;
}> = pgTable('pending_deletions', {
  prefix: text().notNull(),
  createdAt: time().notNull().defaultNow(),
});

export const pendingEndings: Table<{
  id: Filled<number>;
  family: Given<string>;
  name: Given<string>;
  createdAt: Filled<Date>;
}> = pgTable('pending_endings', {
  id: long().notNull().generatedAlwaysAsIdentity(),
  family: text().notNull(),
  name: text().notNull(),
  createdAt: time().notNull().defaultNow(),
});

/** Read and written by `endings/looks.ts`, past the query builder: what it asks all the time counts for no request. */
export const controlApis: Table<{
  id: Given<string>;
  look: Given<number>;
}> = pgTable('control_apis', {
  id: uuid().notNull(),
  look: long().notNull(),
});

export const certificates: Table<{
  host: Given<string>;
  state: Given<CertificateState>;
  fence: Filled<number>;
  leasedUntil: Maybe<Date>;
  nextAttemptAt: Given<Date>;
  failures: Filled<number>;
  failureKind: Maybe<FailureKind>;
  failure: Maybe<string>;
  orderUrl: Maybe<string>;
  orderKey: Maybe<string>;
  chain: Maybe<string>;
  chainKey: Maybe<string>;
  notBefore: Maybe<Date>;
  notAfter: Maybe<Date>;
  installed: Maybe<string>;
  createdAt: Filled<Date>;
}> = pgTable('certificates', {
  host: text().notNull(),
  state: text().$type<CertificateState>().notNull(),
  fence: long().notNull().default(0),
  leasedUntil: time(),
  nextAttemptAt: time().notNull(),
  failures: integer().notNull().default(0),
  failureKind: text().$type<FailureKind>(),
  failure: text(),
  orderUrl: text(),
  orderKey: text(),
  chain: text(),
  chainKey: text(),
  notBefore: time(),
  notAfter: time(),
  installed: text(),
  createdAt: time().notNull().defaultNow(),
});

export const certificateOrders: Table<{
  id: Filled<number>;
  host: Given<string>;
  placedAt: Given<Date>;
}> = pgTable('certificate_orders', {
  id: long().notNull().generatedAlwaysAsIdentity(),
  host: text().notNull(),
  placedAt: time().notNull(),
});

export const acmeAccounts: Table<{
  directoryUrl: Given<string>;
  accountKey: Given<string>;
  accountUrl: Maybe<string>;
  createdAt: Filled<Date>;
}> = pgTable('acme_accounts', {
  directoryUrl: text().notNull(),
  accountKey: text().notNull(),
  accountUrl: text(),
  createdAt: time().notNull().defaultNow(),
});
