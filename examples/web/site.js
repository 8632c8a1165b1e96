// On every page: how many bags are left today, where a page shows it.

for (const element of document.querySelectorAll('[data-stock]')) {
  showStock(element, element.dataset.stock);
}

async function showStock(element, id) {
  try {
    const response = await fetch('/api/stock');
    if (!response.ok) throw new Error(`status ${response.status}`);
    const { bags } = await response.json();
    const left = bags[id];
    element.textContent = left === 0 ? 'Sold out until Tuesday' : `${left} bags left this week`;
  } catch {
    // Without the count the page is as good as with it.
    element.textContent = '';
  }
}
