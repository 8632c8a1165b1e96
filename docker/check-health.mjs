// The image's health check: exits with 0 when HEALTH_URL answers 2xx. Without one there is nothing to ask, as in a
// container that runs the command line.
const url = process.env.HEALTH_URL;
if (url !== undefined && url !== '') {
  const isHealthy = await fetch(url, { signal: AbortSignal.timeout(2500) }).then(
    (response) => response.ok,
    () => false,
  );
  process.exitCode = isHealthy ? 0 : 1;
}
