import { coffees } from '../../_data/coffees.ts';

// GET /api/coffees/:id
export function GET(_request: Request, _env: unknown, { params }: { params: { id: string } }): Response {
  const coffee = coffees.find(({ id }) => id === params.id);
  if (coffee === undefined) return Response.json({ error: `no coffee is called ${params.id}` }, { status: 404 });
  return Response.json(coffee);
}
