export default defineEventHandler((event) => {
  setHeader(event, 'content-type', 'text/html; charset=utf-8');
  return '<!doctype html><html lang="en"><head><title>Nitro</title><link rel="stylesheet" href="/style.css"></head><body><h1>A Nitro app</h1></body></html>';
});
