// Says for whom the seats are held.

const { searchParams } = new URL(location.href);
const name = searchParams.get('name');
const seats = Number(searchParams.get('seats'));
if (name) document.querySelector('h1').textContent = `See you soon, ${name}`;
if (seats > 0) document.querySelector('[data-seats]').textContent = seats === 1 ? 'one seat' : `${seats} seats`;
