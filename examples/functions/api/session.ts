// GET /api/session: three cookies, each in a Set-Cookie of its own; their commas must not be taken for separators.
export default function session(request: Request): Response {
  const visits = Number(readCookie(request, 'visits') ?? 0) + 1;
  const tuesday = new Date(Date.now() + 7 * 86_400_000).toUTCString();
  const response = Response.json({ visits }, { headers: { 'cache-control': 'private, no-store' } });
  response.headers.append('set-cookie', `visits=${visits}; Path=/; Expires=${tuesday}; HttpOnly; SameSite=Lax`);
  response.headers.append('set-cookie', 'grind=filter; Path=/; Max-Age=604800; SameSite=Lax');
  response.headers.append('set-cookie', `seen=${Date.now()}; Path=/api; HttpOnly; SameSite=Strict`);
  return response;
}

function readCookie(request: Request, name: string): string | undefined {
  const pairs = (request.headers.get('cookie') ?? '').split(/;\s*/);
  return pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1);
}
