// GET /api/about: greets as the deployment's environment says.
export function fetch(_request: Request, env: { ROASTERY_GREETING?: string }): Response {
  return Response.json({ greeting: env.ROASTERY_GREETING ?? 'Hello from the roastery' });
}
