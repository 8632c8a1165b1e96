import { describe, expect, test } from 'vitest';
import { cpuTimeUs, readTicks } from '../../load/support/cpu-time.ts';
import { readWrkReport } from '../../load/support/generate-load.ts';
import { median } from '../../load/support/statistics.ts';

const WRK = `Running 3s test @ http://127.0.0.1:1/file.txt
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.20ms  300.00us  12.00ms   90.00%
    Req/Sec    26.00k     1.10k   28.00k    80.00%
  Latency Distribution
     50%    1.10ms
     75%    1.30ms
     90%    1.50ms
     99%  850.00us
  78012 requests in 3.00s, 92.00MB read
Requests/sec:  26004.10
Transfer/sec:     30.66MB
`;

describe('reports of load generators', () => {
  test('wrk', () => {
    expect(readWrkReport(WRK)).toEqual({ requests: 78_012, requestsPerSecond: 26_004.1, p99Ms: 0.85 });
  });

  test.each([
    ['errors', `${WRK}  Non-2xx or 3xx responses: 12\n`, /Non-2xx or 3xx responses: 12/],
    ['failed connections', `${WRK}  Socket errors: connect 0, read 3, write 0, timeout 0\n`, /Socket errors/],
    ['nothing', 'unable to connect', /no result/],
  ])('of wrk with %s is no result', (_, text, message) => {
    expect(() => readWrkReport(text)).toThrow(message);
  });
});

describe('CPU time', () => {
  test('is read from behind the name of the process, whatever that is', () => {
    expect(readTicks('42 (a) b (c)) S 1 42 42 0 -1 4194560 100 0 0 0 17 5 0 0 20 0 1 0 100 1000 10')).toEqual(
      [17, 5],
    );
  });

  test('of this process grows as it works', async () => {
    const before = await cpuTimeUs(process.pid);
    const begun = process.cpuUsage();
    let work = 0;
    // As much CPU as takes several steps of the kernel's clock, however long that is.
    while (process.cpuUsage(begun).user < 100_000) work += Math.sqrt(work + 1);
    expect((await cpuTimeUs(process.pid)) - before).toBeGreaterThanOrEqual(50_000);
  });
});

test.each([
  [[3, 1, 2], 2],
  [[4, 1, 3, 2], 2.5],
  [[7], 7],
])('the median of %j is %d', (values, expected) => {
  expect(median(values)).toBe(expected);
});
