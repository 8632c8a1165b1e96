// The booking form works without this script; with it, mistakes are shown in place.

const form = document.querySelector('form[action="/api/bookings"]');
const message = form.querySelector('.message');
const button = form.querySelector('button');

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  button.disabled = true;
  message.textContent = '';
  try {
    const response = await fetch(form.action, {
      method: 'POST',
      headers: { accept: 'application/json' },
      body: new URLSearchParams(new FormData(form)),
    });
    const answer = await response.json();
    if (response.ok) location.assign(answer.next);
    else show(answer.problems.join(' '));
  } catch {
    show('We could not reach the roastery just now. Please try again, or call us.');
  } finally {
    button.disabled = false;
  }
});

function show(text) {
  message.textContent = text;
  message.classList.add('error');
}
