const SECONDS = 900;
const DEFAULT_TICKS = 60;
const DEFAULT_INTERVAL_MS = 500;

const STAGES: readonly [second: number, name: string][] = [
  [0, 'Beans in'],
  [90, 'Turning point'],
  [330, 'Yellow'],
  [690, 'First crack'],
  [870, 'Drop'],
];

// GET /api/roast/live: a roast as server-sent events, each written when it happens; ends by itself. `ticks` (1 to
// 600) and `interval` (milliseconds, 10 to 5000) change its pace.
export function GET(request: Request): Response {
  const query = new URL(request.url).searchParams;
  const ticks = bounded(query.get('ticks'), DEFAULT_TICKS, 1, 600);
  const intervalMs = bounded(query.get('interval'), DEFAULT_INTERVAL_MS, 10, 5000);
  return new Response(roast(ticks, intervalMs), {
    headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' },
  });
}

function roast(ticks: number, intervalMs: number): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let isOver = false;
  return new ReadableStream({
    async start(controller) {
      let stage = 0;
      for (let tick = 0; tick <= ticks && !isOver; tick += 1) {
        const second = Math.round((tick / ticks) * SECONDS);
        for (; stage < STAGES.length && (STAGES[stage]?.[0] ?? Infinity) <= second; stage += 1) {
          controller.enqueue(encoder.encode(event('stage', { second: STAGES[stage]?.[0], name: STAGES[stage]?.[1] })));
        }
        const reading = { second, share: tick / ticks, celsius: temperature(second) };
        controller.enqueue(encoder.encode(event('tick', reading)));
        if (tick < ticks) await new Promise((resolve) => setTimeout(resolve, intervalMs));
      }
      if (isOver) return;
      controller.enqueue(encoder.encode(event('done', { seconds: SECONDS })));
      controller.close();
    },
    cancel() {
      isOver = true;
    },
  });
}

/** Falls from the heat of the drum to the turning point, then climbs ever more slowly. */
function temperature(second: number): number {
  if (second <= 90) return Math.round(200 - 110 * Math.sin((second / 90) * (Math.PI / 2)));
  return Math.round(90 + 128 * (1 - Math.exp(-(second - 90) / 300)) ** 0.9);
}

function event(name: string, data: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

function bounded(text: string | null, fallback: number, least: number, most: number): number {
  const number = text === null ? fallback : Number(text);
  return Number.isFinite(number) ? Math.min(most, Math.max(least, Math.round(number))) : fallback;
}
