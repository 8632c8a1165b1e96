import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { REPOSITORY } from './process.ts';

export type Service = {
  image: string;
  command: string[];
  environment: Record<string, string>;
  ports: string[];
  networks?: string[] | undefined;
  restart?: string | undefined;
  init?: boolean | undefined;
  read_only?: boolean | undefined;
  cap_drop?: string[] | undefined;
  security_opt?: string[] | undefined;
  stop_grace_period?: string | undefined;
  healthcheck?: { test: string[] } | undefined;
  deploy?: { resources: { limits: { memory: string } } } | undefined;
};

export type Compose = {
  services: Record<string, Service>;
  networks?: Record<string, unknown> | undefined;
  configs?: Record<string, { content: string }> | undefined;
};

const texts: z.ZodType<string[]> = z.array(z.string());

const service: z.ZodType<Service> = z.object({
  image: z.string(),
  command: texts.default([]),
  environment: z.record(z.string(), z.string()).default({}),
  ports: texts.default([]),
  networks: texts.optional(),
  restart: z.string().optional(),
  init: z.boolean().optional(),
  read_only: z.boolean().optional(),
  cap_drop: texts.optional(),
  security_opt: texts.optional(),
  stop_grace_period: z.string().optional(),
  healthcheck: z.object({ test: texts }).optional(),
  deploy: z.object({ resources: z.object({ limits: z.object({ memory: z.string() }) }) }).optional(),
});

const composeFile: z.ZodType<Compose> = z.object({
  services: z.record(z.string(), service),
  networks: z.record(z.string(), z.unknown()).optional(),
  configs: z.record(z.string(), z.object({ content: z.string() })).optional(),
});

/**
 * A compose file with its variables filled in as compose does it: `${NAME:-default}` with its default, `${NAME:?}` with
 * values that are made up, each of its own and of the form that its name asks for. `raw` is the file before that.
 */
export async function readCompose(
  file: string,
): Promise<Compose & { raw: Compose; variables: readonly string[] }> {
  const text = await readFile(join(REPOSITORY, file), 'utf8');
  const variables = new Set(Array.from(text.matchAll(/\$\{([A-Z_]+):\?\}/g), (match) => match[1] ?? ''));
  const values = new Map([...variables].map((name, index) => [name, exampleOf(name, index)]));
  const filled = text
    .replaceAll(/\$\{[A-Z_]+:-([^}]*)\}/g, '$1')
    .replaceAll(/\$\{([A-Z_]+):\?\}/g, (_, name: string) => values.get(name) ?? '');
  const read = (content: string): Compose => composeFile.parse(parse(content, { merge: true }));
  return { ...read(filled), raw: read(text), variables: [...variables] };
}

function exampleOf(name: string, index: number): string {
  if (name === 'ORIGAN_DEPLOY_DOMAIN') return 'localhost:7777';
  return index.toString(16).padStart(64, 'abcdef');
}
