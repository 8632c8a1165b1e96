import { defineHandler } from 'nitro/h3';

export default defineHandler(async (event) => ({ got: await event.req.json() }));
