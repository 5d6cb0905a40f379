// Colour maps as tables of 256 colours, and the colours of lines.

const STOPS = {
  grey: ["#000000", "#ffffff"],
  viridis: ["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"],
  magma: ["#000004", "#180f3d", "#440f76", "#721f81", "#9e2f7f", "#cd4071", "#f1605d", "#fd9668", "#feca8d", "#fcfdbf"],
  "blue-red": ["#053061", "#2166ac", "#4393c3", "#92c5de", "#f7f7f7", "#f4a582", "#d6604d", "#b2182b", "#67001f"],
  phase: ["#e2d9e2", "#6785be", "#2f1436", "#b25652", "#e2d9e2"],
};
export const MAPS = Object.keys(STOPS);
export const NOT_A_NUMBER = [214, 60, 160];
const LINES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#7b6fd0"];
const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3]];

const tables = new Map();

export function table(name) {
  if (!tables.has(name)) tables.set(name, made(STOPS[name].map(rgb)));
  return tables.get(name);
}

function made(stops) {
  const found = new Uint8Array(256 * 3);
  for (let k = 0; k < 256; k++) {
    const place = (k / 255) * (stops.length - 1);
    const i = Math.min(Math.floor(place), stops.length - 2);
    for (let c = 0; c < 3; c++)
      found[3 * k + c] = Math.round(stops[i][c] + (place - i) * (stops[i + 1][c] - stops[i][c]));
  }
  return found;
}

const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

// A line is known by its colour and by its dashes, so that no colour has to be told apart.
export const lineStyle = (k) => ({
  colour: LINES[k % LINES.length],
  dash: DASHES[Math.floor(k / LINES.length) % DASHES.length],
});

export const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
