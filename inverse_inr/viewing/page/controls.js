// The controls on the left: made from the runs, and read when they change.

import { MAPS } from "./colours.js";
import { brief } from "./drawing.js";
import { axisLabel, coordinate, element, indices, lead, made, parts, placeText, resetWindow, runsShown, sound, spacing, state } from "./state.js";

export function shortNames(runs) {
  const last = (name) => name.replace(/\/+$/, "").split("/").pop();
  const names = runs.map((run) => last(run.name));
  return runs.map((run, k) => (names.filter((n) => n === names[k]).length > 1 ? run.name : names[k]));
}

export function makeControls(changed) {
  element("map").append(...MAPS.map((name) => made("option", {}, name)));
  const bind = (id, read, event = "input") => element(id).addEventListener(event, () => { read(element(id)); changed(); });
  bind("plane", (e) => { state.axes = e.value.split(",").map(Number); fillSliders(changed); });
  bind("part", (e) => { state.part = e.value; state.map = e.value === "phase" ? "phase" : state.map === "phase" ? "grey" : state.map; resetWindow(); fillWindow(); });
  bind("scale", (e) => { state.scale = e.value; resetWindow(); fillWindow(); });
  bind("map", (e) => { state.map = e.value; });
  bind("level", (e) => { const half = (state.high - state.low) / 2; [state.low, state.high] = [Number(e.value) - half, Number(e.value) + half]; fillWindow(); });
  bind("width", (e) => { const middle = (state.high + state.low) / 2; [state.low, state.high] = [middle - e.value / 2, middle + e.value / 2]; fillWindow(); });
  for (const id of ["low", "high", "error"]) bind(id, (e) => { if (e.value !== "" && Number.isFinite(e.valueAsNumber)) state[id] = e.valueAsNumber; }, "change");
  bind("reset", () => { resetWindow(); fillWindow(); }, "click");
  bind("against", (e) => { state.against = e.value; });
  bind("signed", (e) => { state.signed = e.value !== ""; });
  bind("size", (e) => { state.size = Number(e.value); state.sized = true; });
  bind("over", (e) => { state.over = e.value; });
  element("controls").addEventListener("submit", (event) => event.preventDefault());
}

// Made anew when runs come or go, or files appear; what was chosen stays.
export function fillControls(changed) {
  const names = shortNames(state.runs);
  element("runs").replaceChildren(...state.runs.map((run, k) => check(names[k], state.shownRuns.has(run.name), (on) => {
    state.shownRuns[on ? "add" : "delete"](run.name);
    fillControls(changed);
    changed();
  })));
  const titles = [...new Set(runsShown().flatMap(({ run }) => run.volumes.map((v) => v.title)))];
  element("methods").replaceChildren(...titles.map((title) => check(title, !state.hidden.has(title), (on) => {
    state.hidden[on ? "delete" : "add"](title);
    changed();
  })));
  const comparable = runsShown().flatMap(({ run }) => run.volumes.filter((v) => sound(v) && v.role !== "deviation").map((v) => v.title));
  if (state.against === null) state.against = comparable.includes("truth") ? "truth" : "";
  element("against").replaceChildren(made("option", { value: "" }, "nothing"), ...[...new Set(comparable)].map((t) => made("option", {}, t)));
  element("against").value = state.against;
  fillPlace(changed);
  fillWindow();
  element("size").value = state.size;
  element("map").value = state.map;
}

function check(text, checked, on) {
  const box = made("input", { type: "checkbox", checked });
  box.addEventListener("change", () => on(box.checked));
  return made("label", { className: "check" }, box, text);
}

function fillPlace(changed) {
  const first = lead();
  for (const set of document.querySelectorAll(".ofImages")) set.hidden = !first;
  if (!first) return;
  const d = first.shape.length;
  if (state.place.length !== d) {
    state.place = first.shape.map((n, axis) => coordinate(first, axis, Math.floor(n / 2)));
    state.axes = [0, 1];
    state.channel = first.channels === 3 && !first.complex ? "colours" : 0;
    resetWindow();
  }
  const pairs = [];
  for (let a = 0; a < d; a++) for (let b = a + 1; b < d; b++) pairs.push([a, b], [b, a]);
  element("plane").replaceChildren(...pairs.map((p) => made("option", { value: p.join(",") }, `↓ ${axisLabel(first, p[0])}  → ${axisLabel(first, p[1])}`)));
  element("plane").value = state.axes.join(",");
  element("planes").hidden = d < 2;
  const found = parts(first);
  element("parts").hidden = found.length < 2;
  element("part").replaceChildren(...found.map((p) => made("option", {}, p)));
  if (!found.includes(state.part)) state.part = found[0];
  element("part").value = state.part;
  fillSliders(changed);
}

// A slider for each axis that the plane does not show, and one for the channels.
export function fillSliders(changed) {
  const first = lead(), sliders = [];
  first.shape.forEach((n, axis) => {
    if (n < 2 || state.axes.includes(axis) || first.shape.length < 2) return;
    sliders.push(slider(axisLabel(first, axis), n, indices(first)[axis], (k) => {
      state.place[axis] = coordinate(first, axis, k);
      return placeText(first, axis, k);
    }, changed));
  });
  if (first.channels > 1) sliders.push(channelSlider(first, changed));
  element("sliders").replaceChildren(...sliders);
}

function slider(text, count, value, moved, changed) {
  const input = made("input", { type: "range", min: 0, max: count - 1, step: 1 }), output = made("output");
  input.value = value;
  const show = () => {
    output.value = `${moved(Number(input.value))} · ${Number(input.value) + 1}/${count}`;
    input.setAttribute("aria-valuetext", output.value);
  };
  show();
  input.addEventListener("input", () => { show(); changed(); });
  return made("label", { className: "slider" }, text, output, input);
}

function channelSlider(first, changed) {
  const colours = first.channels >= 3 && !first.complex, extra = colours ? 1 : 0;
  const value = state.channel === "colours" ? 0 : state.channel + extra;
  return slider("channel", first.channels + extra, value, (k) => {
    state.channel = colours && k === 0 ? "colours" : k - extra;
    return state.channel === "colours" ? "colours" : String(state.channel);
  }, changed);
}

export function fillWindow() {
  const first = lead();
  if (!first) return;
  const full = state.scale === "dB" ? [-120, 0] : ends(first);
  const span = full[1] - full[0] || 1;
  const set = (id, properties) => Object.assign(element(id), properties);
  const level = (state.low + state.high) / 2;
  set("level", { min: Math.min(full[0], level), max: Math.max(full[1], level) }).value = level;
  set("width", { min: span / 500, max: Math.max(span, state.high - state.low) }).value = state.high - state.low;
  for (const id of ["low", "high", "error"]) element(id).value = rounded(state[id]);
  element("level").setAttribute("aria-valuetext", brief(level));
  element("width").setAttribute("aria-valuetext", brief(state.high - state.low));
}

// Four digits of the window's width, so that a zero is one.
function rounded(value) {
  const digits = Math.max(0, Math.min(12, 3 - Math.floor(Math.log10(state.high - state.low || 1))));
  return Number(value.toFixed(digits));
}

function ends(volume) {
  const found = volume.windows[volume.complex ? state.part : "value"];
  return [found.least, found.most];
}

// The arrow keys move the cross by a pixel of the lead, the brackets the first slider.
export function moved(key, volume) {
  const [down, right] = state.axes;
  const steps = { ArrowUp: [down, -1], ArrowDown: [down, 1], ArrowLeft: [right, -1], ArrowRight: [right, 1] };
  const axis = volume.shape.findIndex((n, a) => n > 1 && !state.axes.includes(a));
  if (axis >= 0) Object.assign(steps, { "[": [axis, -1], "]": [axis, 1] });
  if (!steps[key] || Math.max(down, right) >= volume.shape.length) return false;
  const [along, by] = steps[key], first = lead();
  const k = Math.max(0, Math.min(first.shape[along] - 1, indices(first)[along] + by));
  state.place[along] = first.lower[along] + (k + 0.5) * spacing(first, along);
  return true;
}
