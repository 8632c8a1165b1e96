// Calls a function and shows its answer as it came.

const output = document.querySelector('[data-answer]');

for (const button of document.querySelectorAll('button[data-call]')) {
  button.addEventListener('click', () => call(button.dataset.call, button.dataset.method ?? 'GET'));
}

async function call(path, method) {
  output.textContent = `${method} ${path}\n…`;
  try {
    const body = method === 'POST' ? new URLSearchParams({ name: 'Robin', seats: '2', day: 'friday' }) : undefined;
    const response = await fetch(path, { method, body, headers: { accept: 'application/json' } });
    const interesting = ['content-type', 'cache-status', 'age', 'cache-control', 'location'];
    const headers = interesting.filter((name) => response.headers.has(name));
    const lines = headers.map((name) => `${name}: ${response.headers.get(name)}`);
    output.textContent = [`${method} ${path}`, response.status, ...lines, '', await response.text()].join('\n');
  } catch (error) {
    output.textContent = `${method} ${path}\n${error}`;
  }
}
