import { z } from 'zod';
import { Failure } from '../failure.ts';
import { parseJson } from '../../core/parse-json.ts';

/** Deployments of one cursor: what a track shows changes, and the one before may still write for a moment. */
export const MAX_DEPLOYMENTS = 3;

/** How far the log of each deployment was read, by its id; in the order in which they came. */
export type Positions = ReadonlyMap<string, number>;

const shape = z.array(z.tuple([z.uuid(), z.number().int().min(0)])).max(MAX_DEPLOYMENTS);

export function encodeCursor(positions: Positions): string {
  return Buffer.from(JSON.stringify([...positions])).toString('base64url');
}

/** @throws Failure BAD_REQUEST. */
export function decodeCursor(text: string): Positions {
  const parsed = shape.safeParse(parseJson(Buffer.from(text, 'base64url').toString('utf8')));
  if (parsed.success) return new Map(parsed.data);
  throw new Failure('BAD_REQUEST', 'The cursor is none: pass that of the page before.');
}
