import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { REPOSITORY } from './process.ts';

/** What is looked at here of Grafana's own form. */
export type Dashboard = {
  uid: string;
  panels: {
    id: number;
    title: string;
    type: string;
    gridPos: { x: number; y: number; w: number; h: number };
    targets: { expr: string }[];
  }[];
};

const dashboard: z.ZodType<Dashboard> = z.object({
  uid: z.string(),
  panels: z.array(
    z.object({
      id: z.number(),
      title: z.string(),
      type: z.string(),
      gridPos: z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() }),
      targets: z.array(z.object({ expr: z.string() })).default([]),
    }),
  ),
});

/** A dashboard of infra/dashboards. */
export async function readDashboard(file: string): Promise<Dashboard> {
  return dashboard.parse(JSON.parse(await readFile(join(REPOSITORY, 'infra/dashboards', file), 'utf8')));
}

/** The expressions of its panels, with Grafana's own words filled in. */
export async function dashboardQueries(file: string): Promise<{ panel: string; expression: string }[]> {
  const { panels } = await readDashboard(file);
  return panels.flatMap(({ title, targets }) =>
    targets.map(({ expr }) => ({ panel: title, expression: expr.replaceAll('$__rate_interval', '5m') })),
  );
}
