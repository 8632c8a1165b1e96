// Draws a roast while it happens: each event of /api/roast/live is a point of the curve.

const root = document.querySelector('[data-roast]');
const start = root.querySelector('button');
const line = root.querySelector('polyline');
const dot = root.querySelector('circle');
const log = root.querySelector('.log');
const status = root.querySelector('[role="status"]');
const read = (name) => root.querySelector(`[data-read="${name}"]`);

const WIDTH = 600;
const HEIGHT = 260;
const HOTTEST = 230;

start.addEventListener('click', follow);

function follow() {
  start.disabled = true;
  log.replaceChildren();
  line.setAttribute('points', '');
  status.textContent = 'Connecting …';
  const points = [];
  const source = new EventSource('/api/roast/live');
  source.addEventListener('tick', ({ data }) => {
    const tick = JSON.parse(data);
    status.textContent = 'Roasting';
    show(tick, points);
  });
  source.addEventListener('stage', ({ data }) => {
    const { second, name } = JSON.parse(data);
    note(second, name);
  });
  source.addEventListener('done', () => end(source, 'Done. The beans are cooling.'));
  source.onerror = () => {
    // EventSource would connect again by itself: this roast is over.
    end(source, 'The connection broke. Start again when you like.');
  };
}

function end(source, text) {
  source.close();
  start.disabled = false;
  start.textContent = 'Roast another batch';
  status.textContent = text;
}

function show({ second, celsius, share }, points) {
  const x = Math.round(share * WIDTH);
  const y = Math.round(HEIGHT - (celsius / HOTTEST) * HEIGHT);
  points.push(`${x},${y}`);
  line.setAttribute('points', points.join(' '));
  dot.setAttribute('cx', x);
  dot.setAttribute('cy', y);
  dot.setAttribute('r', 7);
  read('celsius').textContent = `${celsius} °C`;
  read('time').textContent = clock(second);
  root.dataset.ticks = String(points.length);
}

function note(second, text) {
  const item = document.createElement('li');
  const time = document.createElement('time');
  time.textContent = clock(second);
  item.append(time, text);
  log.prepend(item);
}

function clock(second) {
  return `${Math.floor(second / 60)}:${String(second % 60).padStart(2, '0')}`;
}
