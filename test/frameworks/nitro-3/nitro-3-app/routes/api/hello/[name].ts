import { defineHandler, getQuery, getRouterParam } from 'nitro/h3';

export default defineHandler((event) => ({
  hello: getRouterParam(event, 'name'),
  query: getQuery(event),
  greeting: process.env.GREETING ?? 'none',
}));
