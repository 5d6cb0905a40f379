// Curves: cuts through the cross, convergence, the path of a weight.

import { shortNames } from "./controls.js";
import { css, lineStyle } from "./colours.js";
import * as data from "./data.js";
import { drawCurves, short } from "./drawing.js";
import { alike, axesOf, axisLabel, coordinate, element, lead, made, quantity, request, runsShown, sound, state, volumesShown } from "./state.js";

const LEAST = 340, MOST = 560, GAP = 16;

// The width of a plot, so that a row of a few fills the page.
function widthOf(count) {
  const room = element("images").clientWidth - 34;
  const columns = Math.max(1, Math.min(count, Math.floor((room + GAP) / (LEAST + GAP))));
  return Math.floor(Math.min(MOST, (room - (columns - 1) * GAP) / columns));
}

function styled(title, names) {
  if (title === "truth") return { colour: css("--fg"), dash: [5, 3] };
  return lineStyle(names.indexOf(title));
}

function plot(title, lines, settings) {
  const canvas = made("canvas");
  canvas.setAttribute("role", "img");
  const said = lines.map((l) => `${l.name} ends at ${short(l.y.at(-1))}`).join("; ");
  canvas.setAttribute("aria-label", `${title}, ${settings.y} over ${settings.x}: ${said}`);
  const frame = made("figure", {}, made("figcaption", {}, title), canvas, legend(lines));
  return { frame, draw: (width) => drawCurves(canvas, lines, { width, height: Math.min(250, 0.66 * width), ...settings }) };
}

function lay(id, plots) {
  const width = widthOf(plots.length);
  for (const { frame, draw } of plots) {
    frame.style.width = `${width}px`;
    draw(width);
  }
  element(id).querySelector(".body").replaceChildren(...plots.map(({ frame }) => frame));
}

function legend(lines) {
  const items = lines.map((line) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), stroke = document.createElementNS(svg.namespaceURI, "line");
    for (const [name, value] of Object.entries({ x1: 0, x2: 22, y1: 4, y2: 4, stroke: line.colour, "stroke-width": 2, "stroke-dasharray": line.dash.join(" ") || "none" })) stroke.setAttribute(name, value);
    svg.setAttribute("aria-hidden", "true");
    svg.append(stroke);
    return made("li", {}, svg, line.name);
  });
  return made("ul", { className: "legend" }, ...items);
}

// --- cuts

let turn = 0;

export async function renderCuts() {
  const mine = ++turn, first = lead();
  section("cuts", Boolean(first));
  if (!first) return;
  const [down, right] = axesOf(first), d = first.shape.length;
  const through = first.shape.map((_, axis) => axis).filter((axis) => axis !== down && axis !== right);
  const axes = [...(first.channels > 3 ? [d] : []), ...through, ...(d > 1 ? [right, down] : [0])].filter((axis) => axis === d || first.shape[axis] > 1);
  const plots = await Promise.all(axes.map((axis) => cut(first, axis)));
  if (mine === turn) lay("cuts", plots);
}

async function cut(first, axis) {
  const names = shortNames(state.runs), several = state.shownRuns.size > 1, lines = [];
  const chosen = runsShown().flatMap(({ run, index }) => volumesShown(run).filter((v) => sound(v) && v.role !== "deviation" && alike(v, first)).map((volume) => ({ index, volume })));
  const titles = chosen.map(({ index, volume }) => `${index} ${volume.title}`);
  for (const { index, volume } of chosen) {
    const words = request(index, volume), channels = axis === volume.shape.length;
    try {
      const found = await data.line({ ...words, axis }, volume.version);
      const x = Array.from(found.values, (_, k) => (channels ? k : coordinate(volume, axis, k * found.step[0])));
      const style = volume.title === "truth" ? styled("truth", titles) : styled(`${index} ${volume.title}`, titles);
      lines.push({ x, y: Array.from(found.values), name: several ? `${names[index]} · ${volume.title}` : volume.title, wide: volume.role === "result", ...style });
    } catch { /* the image says what is wrong with it */ }
  }
  const label = axisLabel(first, axis), at = axis < first.shape.length ? state.place[axis] : null;
  return plot(`Along ${label}`, lines, { x: label, y: state.scale === "dB" ? "value" : quantity(), at });
}

// --- convergence

const PARTS = /^[DR]\(|^loss$/;

export function renderCurves() {
  const names = shortNames(state.runs), several = state.shownRuns.size > 1;
  const curves = runsShown().flatMap(({ run, index }) => run.curves.map((curve) => ({ ...curve, name: several ? `${names[index]} · ${curve.title}` : curve.title })));
  const keys = [...new Set(curves.flatMap((c) => c.records.flatMap(Object.keys)))].filter((k) => k !== "step" && k !== "seconds");
  const plots = [];
  if (curves.length === 1) plots.push(partsOf(curves[0], keys.filter((k) => PARTS.test(k))));
  else if (curves.length) plots.push(over(curves, "loss"));
  for (const key of keys.filter((k) => !PARTS.test(k))) plots.push(over(curves, key));
  for (const { run, index } of runsShown()) if (Object.keys(run.weights).length) plots.push(weights(run, several ? names[index] : ""));
  section("curves", plots.length > 0);
  lay("curves", plots.filter(Boolean));
}

const numeric = (record, key) => typeof record[key] === "number";

function series(curve, key, style, name) {
  const records = curve.records.filter((r) => numeric(r, key) && numeric(r, state.over));
  return { x: records.map((r) => r[state.over]), y: records.map((r) => r[key]), name, ...style };
}

const axisName = () => (state.over === "step" ? "step" : "time (s)");
const isSteep = (lines) => {
  const values = lines.flatMap((l) => l.y);
  return values.length > 0 && values.every((v) => v > 0) && Math.max(...values) > 5 * Math.min(...values);
};

function framed(title, lines, y) {
  const shown = lines.filter((l) => l.x.length);
  return shown.length ? plot(title, shown, { x: axisName(), y, logY: !/PSNR|SSIM/.test(y) && isSteep(shown) }) : null;
}

function partsOf(curve, keys) {
  return framed(`Loss of ${curve.name} and its parts`, keys.map((key, k) => series(curve, key, lineStyle(k), key)), "loss");
}

function over(curves, key) {
  const unit = /PSNR/.test(key) ? `${key}, dB` : key === "held-out" ? "held-out misfit" : key;
  return framed(key === "held-out" ? "Held-out measurements" : key === "loss" ? "Loss" : key, curves.map((c, k) => series(c, key, lineStyle(k), c.name)), unit);
}

function weights(run, name) {
  const pairs = Object.entries(run.weights).map(([w, m]) => [Number(w), m]).sort((a, b) => a[0] - b[0]);
  const line = { x: pairs.map((p) => p[0]), y: pairs.map((p) => p[1]), name: name || "weights tried", ...lineStyle(0) };
  const chosen = pairs.find(([w]) => run.weight !== null && Math.abs(w - run.weight) <= 1e-3 * Math.abs(run.weight));
  const title = `Weight${run.weight === null ? "s tried" : `: ${short(run.weight)} was chosen`}`;
  return plot(title, [line], { x: "weight of the regularizers", y: "held-out misfit", logX: pairs.every((p) => p[0] > 0), point: chosen || null });
}

export function section(id, there) {
  element(id).hidden = !there;
  document.querySelector(`nav a[href="#${id}"]`).hidden = !there;
}
