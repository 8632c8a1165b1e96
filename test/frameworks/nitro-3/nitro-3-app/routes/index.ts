import { defineHandler, html } from 'nitro/h3';

export default defineHandler(() =>
  html(
    '<!doctype html><html lang="en"><head><title>Nitro</title><link rel="stylesheet" href="/style.css"></head><body><h1>A Nitro app</h1></body></html>',
  ),
);
