// What is shown: the runs, the images chosen, the place of the cross, the window.

export const state = {
  runs: [],
  shownRuns: new Set(),
  hidden: new Set(), // titles of images that are not shown
  axes: [0, 1],
  place: [], // coordinates of the cross in the units of the box
  channel: 0,
  part: "value",
  scale: "linear",
  map: "grey",
  low: 0, high: 1, // of the linear or the dB scale
  error: 1,
  against: "",
  signed: false,
  size: 260,
  over: "step",
};

export const element = (id) => document.getElementById(id);

export function made(tag, properties = {}, ...children) {
  const found = Object.assign(document.createElement(tag), properties);
  found.append(...children);
  return found;
}

export const sound = (volume) => !volume.fault;
export const runsShown = () => state.runs.map((run, index) => ({ run, index })).filter(({ run }) => state.shownRuns.has(run.name));
export const volumesShown = (run) => run.volumes.filter((volume) => !state.hidden.has(volume.title));

// The image that decides which sliders there are, and the window.
export function lead() {
  const all = runsShown().flatMap(({ run }) => run.volumes.filter((v) => sound(v) && v.role !== "deviation"));
  return all.find((v) => v.role === "truth") || all.find((v) => v.role === "result") || all[0] || null;
}

export const parts = (volume) => (volume.complex ? ["modulus", "phase", "real", "imaginary"] : ["value"]);
export const partOf = (volume) => (volume.complex ? (state.part === "value" ? "modulus" : state.part) : "value");
export const spacing = (volume, axis) => (volume.upper[axis] - volume.lower[axis]) / volume.shape[axis];
export const coordinate = (volume, axis, k) => volume.lower[axis] + (k + 0.5) * spacing(volume, axis);

// Whether images have axes of the same kind, so that a place in one is a place in the other.
export const alike = (a, b) => a.shape.length === b.shape.length && a.units.every((unit, i) => unit === b.units[i]);

// Indices of the cross in an image, the middle of one that has other axes than the lead.
export function indices(volume) {
  const first = lead();
  return volume.shape.map((n, axis) => {
    if (!first || !alike(volume, first)) return Math.floor(n / 2);
    const k = Math.floor((state.place[axis] - volume.lower[axis]) / spacing(volume, axis));
    return Math.max(0, Math.min(n - 1, k));
  });
}

export const axesOf = (volume) => (Math.max(...state.axes) < volume.shape.length ? state.axes : [0, 1]);

export function channelOf(volume) {
  if (state.channel === "colours") return volume.channels >= 3 ? "colours" : 0;
  return Math.min(state.channel, volume.channels - 1);
}

export function request(index, volume) {
  const channel = volume.role === "deviation" && volume.channels === 1 ? 0 : channelOf(volume);
  return { run: index, volume: volume.title, at: indices(volume).join(","), channel, part: partOf(volume) };
}

// A coordinate with its unit, in as many digits as tell one pixel from the next.
export function placeText(volume, axis, k) {
  const digits = Math.max(0, Math.min(9, 1 - Math.floor(Math.log10(spacing(volume, axis)))));
  const text = coordinate(volume, axis, k).toFixed(digits).replace(/^-(?=[0.]*$)/, "").replace("-", "−");
  return `${text} ${volume.units[axis]}`.trim();
}

// "wavelength (nm)": what a unit says of an axis is said with it
const QUANTITIES = { nm: "wavelength", s: "time", ms: "time", "µs": "time", us: "time", deg: "angle", "°": "angle", degrees: "angle", rad: "angle", Hz: "frequency", kHz: "frequency", MHz: "frequency", GHz: "frequency", "m/s": "velocity" };
export function axisLabel(volume, axis) {
  if (axis === volume.shape.length) return "channel";
  const unit = volume.units[axis], name = QUANTITIES[unit] || `axis ${axis}`;
  return unit ? `${name} (${unit})` : name;
}

const isAngular = (unit) => unit in QUANTITIES;

// The sides of a plane: what runs down and to the right, and its shape on the screen.
export function extentOf(volume) {
  const [down, right] = axesOf(volume);
  const side = (axis) => ({ low: volume.lower[axis], high: volume.upper[axis], label: axisLabel(volume, axis) });
  const long = (axis) => volume.upper[axis] - volume.lower[axis];
  const lengths = volume.units[down] === volume.units[right] && !isAngular(volume.units[down]);
  const aspect = lengths ? long(right) / long(down) : 1;
  return { down: side(down), right: side(right), aspect: Math.max(0.2, Math.min(5, aspect)) };
}

// --- the window

export function resetWindow() {
  const first = lead();
  if (!first) return;
  const found = first.windows[partOf(first)];
  state.peak = Math.max(Math.abs(found.least), Math.abs(found.most)) || 1;
  [state.low, state.high] = state.scale === "dB" ? [-40, 0] : [found.low, found.high];
  if (partOf(first) === "phase") [state.low, state.high] = [-Math.PI, Math.PI];
  if (!(state.high > state.low)) state.high = state.low + 1;
  state.error = rounded((found.high - found.low) / 4) || 1;
}

const rounded = (value) => Number(value.toPrecision(2));

export function scaled(image) {
  if (state.scale !== "dB") return image;
  const values = image.values.map((v) => 20 * Math.log10(Math.max(Math.abs(v) / state.peak, 1e-12)));
  return { ...image, values };
}

export function quantity() {
  const first = lead(), part = first ? partOf(first) : "value";
  if (state.scale === "dB") return `${part} (dB of the largest)`;
  return part === "phase" ? "phase (rad)" : part;
}
