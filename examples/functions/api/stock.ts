// GET /api/stock: kept by the edge for a minute, served stale for ten more while it is counted again; browsers ask
// every time. A purge of the tag `stock` ends it at once.
export default {
  async fetch(): Promise<Response> {
    const counted = new Date();
    const hoursToTuesday = (((2 - counted.getUTCDay() + 7) % 7) * 24 - counted.getUTCHours() + 168) % 168;
    const bags = { guji: Math.ceil(hoursToTuesday / 8), huila: Math.ceil(hoursToTuesday / 5), nightjar: 3 };
    return Response.json(
      { bags, counted: counted.toISOString() },
      {
        headers: {
          'cache-control': 'public, max-age=0, must-revalidate',
          'cdn-cache-control': 'max-age=60, stale-while-revalidate=600',
          'cache-tag': 'stock',
        },
      },
    );
  },
};
