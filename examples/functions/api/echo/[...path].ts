// Any method, /api/echo/*: what reached the function.
export default async function echo(
  request: Request,
  _env: unknown,
  { params }: { params: { path: string } },
): Promise<Response> {
  const url = new URL(request.url);
  const body = await request.arrayBuffer();
  return Response.json({
    method: request.method,
    path: params.path,
    query: Object.fromEntries(url.searchParams),
    host: request.headers.get('host'),
    forwardedHost: request.headers.get('x-forwarded-host'),
    forwardedProto: request.headers.get('x-forwarded-proto'),
    bytes: body.byteLength,
  });
}
