export default defineEventHandler((event) => ({
  hello: getRouterParam(event, 'name'),
  query: getQuery(event),
  greeting: process.env.GREETING ?? 'none',
}));
