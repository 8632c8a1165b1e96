const DAYS = ['friday', 'saturday'];

// POST /api/bookings: the form of /visit. A plain form is sent on to a page, a script gets JSON.
export async function POST(request: Request): Promise<Response> {
  const type = request.headers.get('content-type') ?? '';
  if (!/^(?:application\/x-www-form-urlencoded|multipart\/form-data)\b/.test(type)) {
    return Response.json({ problems: ['Please send a form.'] }, { status: 415 });
  }
  const form = await request.formData();
  const name = String(form.get('name') ?? '').trim();
  const seats = Number(form.get('seats'));
  const problems = findProblems(name, seats, String(form.get('day') ?? ''));
  const wantsJson = (request.headers.get('accept') ?? '').includes('application/json');
  // `origan logs -p ember-and-lark -f` shows it. No names: logs are read by more people than bookings.
  console.log('booking', { seats, problems: problems.length });
  if (problems.length > 0) return refuse(problems, wantsJson);
  const next = `/thanks?${new URLSearchParams({ name, seats: String(seats) })}`;
  return wantsJson
    ? Response.json({ booked: true, next }, { status: 201 })
    : new Response(null, { status: 303, headers: { location: next } });
}

function findProblems(name: string, seats: number, day: string): string[] {
  return [
    ...(name === '' || name.length > 80 ? ['Please tell us your name.'] : []),
    ...(Number.isInteger(seats) && seats >= 1 && seats <= 6 ? [] : ['We have one to six seats for a party.']),
    ...(DAYS.includes(day) ? [] : ['We taste on Fridays and Saturdays.']),
  ];
}

function refuse(problems: string[], wantsJson: boolean): Response {
  if (wantsJson) return Response.json({ problems }, { status: 422 });
  return new Response(`${problems.join('\n')}\n`, { status: 422, headers: { 'content-type': 'text/plain; charset=utf-8' } });
}
