import { sql, type ColumnDataType, type SQL } from 'drizzle-orm';
import {
  bigint,
  timestamp,
  type PgBigInt53BuilderInitial,
  type PgColumn,
  type PgTableWithColumns,
  type PgTimestampBuilderInitial,
} from 'drizzle-orm/pg-core';

// Names for the types of columns, so that each table of schema.ts can say in one line a column what a row holds.
// The compiler checks them against the columns themselves.

type Facts<Data, IsNotNull extends boolean, HasDefault extends boolean> = {
  name: string;
  tableName: string;
  dataType: ColumnDataType;
  columnType: string;
  data: Data;
  driverParam: unknown;
  notNull: IsNotNull;
  hasDefault: HasDefault;
  isPrimaryKey: boolean;
  isAutoincrement: false;
  hasRuntimeDefault: false;
  enumValues: string[] | undefined;
  generated: undefined;
};

/** Not null, and every insert must give it. */
export type Given<Data> = PgColumn<Facts<Data, true, false>>;
/** Not null; the database fills it in where an insert does not. */
export type Filled<Data> = PgColumn<Facts<Data, true, true>>;
/** May be null. */
export type Maybe<Data> = PgColumn<Facts<Data, false, false>>;

export type Table<Columns extends Record<string, PgColumn>> = PgTableWithColumns<{
  name: string;
  schema: undefined;
  dialect: 'pg';
  columns: Columns;
}>;

/** A point in time, with its zone. */
export const time = (): PgTimestampBuilderInitial<''> => timestamp({ withTimezone: true });

/** A bigint that stays below 2^53: counters and sizes. */
export const long = (): PgBigInt53BuilderInitial<''> => bigint({ mode: 'number' });

export const nextDeploymentOrder: SQL<number> = sql`nextval('deployment_order')`.mapWith(Number);
export const nextDomainRevision: SQL<number> = sql`nextval('domain_revision')`.mapWith(Number);
