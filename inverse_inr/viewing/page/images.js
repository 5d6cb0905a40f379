// The images of each run beside each other in one window, and their errors below.

import { moved, shortNames } from "./controls.js";
import * as data from "./data.js";
import { drawBar, drawImage, short } from "./drawing.js";
import { axesOf, axisLabel, coordinate, element, extentOf, indices, lead, made, placeText, quantity, request, resetWindow, runsShown, scaled, sound, state, volumesShown } from "./state.js";

const panels = new Map();

// Frames for all images; `render` fills them.
export function layImages(changed) {
  panels.clear();
  const names = shortNames(state.runs);
  const blocks = runsShown().map(({ run, index }) => {
    const title = made("h3", {}, names[index], made("span", { className: `state ${run.state}` }, run.state));
    const notes = run.notes.map((text) => made("p", { className: "note" }, text));
    const body = made("div", { className: "panels" });
    if (run.live) body.append(livePanel(run, index));
    for (const volume of volumesShown(run)) body.append(panel(run, index, volume, changed));
    const bars = made("div", { className: "bars" }), place = made("p", { className: "place" });
    panels.set(`bars ${index}`, { run, index, bars, place });
    return made("div", { className: "run" }, title, ...notes, body, place, bars);
  });
  element("images").querySelector(".body").replaceChildren(...blocks);
}

function livePanel(run, index) {
  const image = made("img", { src: data.picture(index, run.live), alt: `${run.name}: the image as it forms` });
  const last = run.curves[0]?.records.at(-1);
  return made("figure", { className: "live" }, made("figcaption", {}, "as it forms", made("small", {}, last ? `step ${last.step}` : "")), image);
}

function panel(run, index, volume, changed) {
  const canvas = made("canvas", { className: "image", tabIndex: 0 }), error = made("canvas", { className: "image" });
  const value = made("p", { className: "value" }), bar = made("canvas", { className: "bar" }), fault = made("p", { className: "note" });
  for (const each of [canvas, error]) each.setAttribute("role", "img");
  const psnr = rowOf(run, volume)?.PSNR;
  const caption = made("figcaption", {}, volume.title, made("small", {}, psnr ? `PSNR ${short(psnr)} dB` : ""));
  if (!sound(volume)) return made("figure", {}, caption, made("p", { className: "note" }, volume.fault));
  fault.hidden = true;
  const click = (event) => { if (pointed(event, volume)) changed(); };
  for (const each of [canvas, error]) each.addEventListener("click", click);
  canvas.addEventListener("keydown", (event) => {
    if (!moved(event.key, volume)) return;
    event.preventDefault();
    changed();
  });
  panels.set(`${index} ${volume.title}`, { run, index, volume, canvas, error, value, bar, fault });
  return made("figure", {}, caption, canvas, value, error, bar, fault);
}

// Where the planes and the cross are, said once for a run.
function placed(run) {
  const volume = run.volumes.find((v) => sound(v) && v.shape.length > 1);
  if (!volume) return "";
  const at = indices(volume), axes = axesOf(volume);
  const told = (axis) => `${axisLabel(volume, axis).replace(/ \(.*/, "")} = ${placeText(volume, axis, at[axis])}`;
  const others = volume.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  return `Cross at ${axes.map(told).join(", ")}${others.length ? `; plane at ${others.map(told).join(", ")}` : ""}`;
}

// The row of the table that is about an image; the last one is about the result of a run.
function rowOf(run, volume) {
  const results = run.volumes.filter((v) => v.role === "result");
  return volume.role === "result" && results.length === 1 ? run.table.at(-1) : run.table.find((r) => r.method === volume.title);
}

function pointed(event, volume) {
  const { x, y, width, height } = event.currentTarget.placed || {};
  const [down, right] = axesOf(volume);
  const share = { [right]: (event.offsetX - x) / width, [down]: (event.offsetY - y) / height };
  if (![share[down], share[right]].every((s) => s >= 0 && s < 1)) return false;
  for (const axis of [down, right]) {
    const k = Math.floor(share[axis] * volume.shape[axis]);
    state.place[axis] = coordinate(volume, axis, k);
  }
  return true;
}

let turn = 0;

export async function renderImages() {
  const mine = ++turn;
  const first = lead();
  if (first && state.peak === undefined) resetWindow();
  await Promise.all([...panels.values()].map((p) => (p.volume ? renderPanel(p, () => mine === turn) : renderBars(p))));
}

function renderBars({ run, bars, place }) {
  place.textContent = placed(run);
  const shown = volumesShown(run).filter((v) => sound(v) && v.role !== "deviation" && v.shape.length > 1);
  const canvases = [];
  const add = (settings, text) => {
    const canvas = made("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", text);
    drawBar(canvas, settings);
    canvases.push(canvas);
  };
  const window = `from ${short(state.low)} to ${short(state.high)}`;
  if (shown.length) add({ low: state.low, high: state.high, map: state.channel === "colours" ? "grey" : state.map, label: quantity() }, `Colours of ${quantity()} ${window}`);
  if (shown.length && reference(run)) {
    const settings = errorWindow(), label = state.signed ? `value − ${state.against}` : `|value − ${state.against}|`;
    add({ ...settings, label }, `Colours of errors from ${short(settings.low)} to ${short(settings.high)}`);
  }
  bars.replaceChildren(...canvases);
}

const reference = (run) => run.volumes.find((v) => v.title === state.against && sound(v) && v.role !== "deviation");
const errorWindow = () => (state.signed ? { low: -state.error, high: state.error, map: "blue-red" } : { low: 0, high: state.error, map: "magma" });

async function renderPanel(p, current) {
  const { volume, index, canvas, error, value, bar, fault } = p;
  const flat = volume.shape.length < 2;
  for (const each of [canvas, error, bar]) each.hidden = flat;
  if (flat) { value.textContent = "One axis: its curve is below."; return; }
  const [down, right] = axesOf(volume), words = { ...request(index, volume), down, right };
  try {
    const image = await data.plane(words, volume.version);
    const other = volume.role === "deviation" ? null : reference(p.run);
    const compared = other && other !== volume ? await data.plane({ ...request(index, other), down, right }, other.version) : null;
    if (!current()) return;
    fault.hidden = true;
    show(p, image);
    showError(p, image, compared);
  } catch (problem) {
    if (!current()) return;
    fault.textContent = problem.message;
    fault.hidden = false;
  }
}

function show({ run, volume, canvas, value, bar }, image) {
  const own = volume.role === "deviation", extent = extentOf(volume), at = indices(volume), [down, right] = axesOf(volume);
  const window = own ? { low: 0, high: volume.windows.value?.high || 1, map: "viridis" } : { low: state.low, high: state.high, map: state.map };
  const cross = [(at[down] + 0.5) / volume.shape[down], (at[right] + 0.5) / volume.shape[right]];
  drawImage(canvas, own ? image : scaled(image), { size: state.size, ...window, extent, cross });
  canvas.parentElement.style.width = `${Math.max(180, canvas.offsetWidth)}px`;
  bar.hidden = !own;
  if (own) drawBar(bar, { ...window, label: "one standard deviation", width: state.size });
  const [h, w, c = 1] = image.shape, k = Math.min(h - 1, Math.floor(at[down] / image.step[0])) * w + Math.min(w - 1, Math.floor(at[right] / image.step[1]));
  const seen = Array.from(image.values.slice(c * k, c * k + c)).map(short).join(", ");
  value.textContent = `${seen || "NaN"} at the cross`;
  canvas.setAttribute("aria-label", `${volume.title} of ${run.name}, ${own ? "standard deviation" : quantity()}, ${extent.down.label} down and ${extent.right.label} to the right, colours from ${short(window.low)} to ${short(window.high)}; ${seen} at the cross`);
}

function showError({ volume, error, fault }, image, compared) {
  error.hidden = !compared;
  if (!compared) return;
  if (String(compared.shape) !== String(image.shape)) {
    error.hidden = true;
    fault.textContent = `No error: ${state.against} lies on another grid.`;
    fault.hidden = false;
    return;
  }
  const [h, w, c = 1] = image.shape, values = new Float32Array(h * w);
  for (let k = 0; k < c * h * w; k++) {
    const difference = image.values[k] - compared.values[k];
    values[Math.floor(k / c)] += (state.signed ? difference : Math.abs(difference)) / c;
  }
  drawImage(error, { values, shape: [h, w] }, { size: state.size, ...errorWindow(), extent: extentOf(volume) });
  const mean = values.reduce((sum, v) => sum + Math.abs(v), 0) / values.length;
  error.setAttribute("aria-label", `Error of ${volume.title} against ${state.against}: mean modulus in this plane ${short(mean)}`);
}
