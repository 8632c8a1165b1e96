import { coffees } from '../../_data/coffees.ts';

// GET /api/coffees, also ?origin=Ethiopia
export function GET(request: Request): Response {
  const origin = new URL(request.url).searchParams.get('origin');
  const found = origin === null ? coffees : coffees.filter((coffee) => coffee.origin === origin);
  return Response.json({ coffees: found });
}
