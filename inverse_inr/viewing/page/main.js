// The page: asks what there is, lays it out, and looks again while a run goes on.

import { fillControls, fillWindow, makeControls, fillSliders } from "./controls.js";
import * as data from "./data.js";
import { layImages, renderImages } from "./images.js";
import { renderCurves, renderCuts } from "./plots.js";
import { element, lead, runsShown, state, volumesShown } from "./state.js";
import { renderFiles, renderSurfaces, renderTables } from "./tables.js";

const SOON = 2000, SELDOM = 10000; // milliseconds between two looks
// the smallest image, what lies around one, and between two runs
const LEAST = 130, GAP = 16, AROUND = GAP + 57, ASIDE = 28;
let before = "", planned = false;
const laid = new Map();

// What is laid out anew only when it changes, so that nobody is disturbed while another run goes
// on; images and cuts follow every control.
function once(name, key, render) {
  const now = JSON.stringify([[...state.shownRuns], key]);
  if (laid.get(name) === now) return;
  laid.set(name, now);
  render();
}

const each = (part) => state.runs.map(part);

function layout() {
  once("images", [[...state.hidden], each((run) => [run.volumes, run.live, run.notes, run.state, run.table])], () => {
    fitSize();
    layImages(changed);
  });
  once("curves", [state.over, each((run) => [run.curves, run.weights])], renderCurves);
  once("tables", each((run) => [run.table, run.verdict]), renderTables);
  once("files", each((run) => run.pictures), renderFiles);
  once("surfaces", each((run) => run.surfaces), renderSurfaces);
}

function fitSize() {
  if (state.sized) return;
  const counts = runsShown().map(({ run }) => Math.max(1, volumesShown(run).length + (run.live ? 1 : 0)));
  const room = element("images").clientWidth - 34 + GAP, fitting = Math.max(1, Math.floor(room / (LEAST + AROUND)));
  const all = counts.reduce((a, b) => a + b, 0), most = all <= fitting ? all : Math.max(1, ...counts); // in one row, if it fits
  const columns = Math.ceil(most / Math.ceil(most / fitting)) || 1; // else in rows of about as many
  state.size = Math.max(LEAST, Math.min(380, Math.floor((room - ASIDE * (counts.length - 1)) / columns - AROUND)));
  element("size").value = state.size;
}

export function changed() {
  if (planned) return;
  planned = true;
  requestAnimationFrame(async () => {
    planned = false;
    layout();
    await Promise.all([renderImages(), renderCuts()]);
    document.body.dataset.drawn = String(Number(document.body.dataset.drawn || 0) + 1);
  });
}

async function look() {
  try {
    const text = await data.runs();
    if (text !== before) take(text);
    say();
  } catch (problem) {
    element("status").textContent = `The server does not answer: ${problem.message}. Is it still running?`;
  }
  const going = state.runs.some((run) => run.state !== "finished");
  setTimeout(look, going ? SOON : SELDOM);
}

function take(text) {
  const known = new Set(state.runs.map((run) => run.name));
  const first = before === "";
  before = text;
  state.runs = JSON.parse(text);
  for (const run of state.runs) if (!known.has(run.name)) state.shownRuns.add(run.name);
  if (first) state.against = null;
  once("controls", each((run) => run.volumes.map((v) => [v.title, v.role, v.shape, v.channels, v.fault])), () => fillControls(changed));
  changed();
}

function say() {
  const going = state.runs.filter((run) => run.state !== "finished").length;
  const images = state.runs.reduce((sum, run) => sum + run.volumes.length, 0);
  element("status").textContent = `${state.runs.length} ${state.runs.length === 1 ? "run" : "runs"}, ${images} images${going ? `, ${going} not finished` : ""}`;
}

function useTheme(name) {
  document.documentElement.dataset.theme = name;
  element("theme").textContent = name === "dark" ? "Light" : "Dark";
  laid.clear();
  if (state.runs.length) changed();
}

element("theme").addEventListener("click", () => useTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
window.addEventListener("resize", () => { laid.clear(); changed(); });
document.addEventListener("keydown", (event) => {
  // sliders follow a cross that keys have moved
  if (event.target.matches("canvas.image") && lead()) setTimeout(() => fillSliders(changed));
});
makeControls(changed);
useTheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
fillWindow();
look();
