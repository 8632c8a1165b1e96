import autocannon from 'autocannon';

export type Traffic = {
  port: number;
  /** One request each in turn: host and path. */
  targets: readonly { host: string; path: string }[];
  /** For how long, or how many requests in all. */
  until: { seconds: number } | { requests: number };
  connections: number;
  /** The only status that is no error. */
  expectedStatus: number;
};

export type TrafficResult = {
  requests: number;
  requestsPerSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** Connections that failed and requests that timed out. */
  failures: number;
  /** Answers by status that were not as expected. */
  unexpected: Record<string, number>;
};

/** Sends traffic from this process. */
export async function drive(traffic: Traffic): Promise<TrafficResult> {
  const { port, targets, until, connections, expectedStatus } = traffic;
  const result = await autocannon({
    url: `http://127.0.0.1:${port}`,
    connections,
    ...('seconds' in until ? { duration: until.seconds } : { amount: until.requests }),
    requests: targets.map(({ host, path }) => ({ method: 'GET', path, headers: { host } })),
  });
  const statuses = Object.entries(result.statusCodeStats ?? {});
  const others = statuses.filter(([status]) => Number(status) !== expectedStatus);
  return {
    requests: result.requests.total,
    requestsPerSecond: result.requests.average,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    failures: result.errors + result.timeouts,
    unexpected: Object.fromEntries(others.map(([status, { count }]) => [status, count ?? 0])),
  };
}
