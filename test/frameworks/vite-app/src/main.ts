import './style.css';
import mark from './mark.svg?url&no-inline';

// A router and a counter: what every single-page application begins with.
const show = (): void => {
  const route = document.querySelector('#route');
  if (route !== null) route.textContent = `route: ${location.pathname}`;
};

const button = document.querySelector('button');
button?.addEventListener('click', async () => {
  const { next } = await import('./next.ts');
  button.textContent = String(next(Number(button.textContent)));
});
document.querySelector('#mark')?.setAttribute('src', mark);
show();
