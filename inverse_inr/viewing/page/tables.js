// Tables, surfaces, figures and configs: what needs no controls.

import { shortNames } from "./controls.js";
import * as data from "./data.js";
import { short } from "./drawing.js";
import { section } from "./plots.js";
import { element, made, runsShown, state } from "./state.js";
import { Surface } from "./surface.js";

const UNITS = { PSNR: "PSNR (dB)", seconds: "time (s)", "relative error": "relative error" };

function entry(value) {
  if (value && typeof value === "object") return `${short(value.mean)} ± ${short(value.std)}`;
  return typeof value === "number" ? short(value) : String(value ?? "");
}

function tableOf(rows) {
  const keys = [...new Set(rows.flatMap(Object.keys))];
  const isText = (key) => rows.some((row) => typeof row[key] === "string");
  const head = made("tr", {}, ...keys.map((key) => made("th", { scope: "col" }, UNITS[key] || key)));
  const lines = rows.map((row) => made("tr", {}, ...keys.map((key) => made("td", { className: isText(key) ? "text" : "" }, entry(row[key])))));
  return made("div", { className: "scroll" }, made("table", {}, made("thead", {}, head), made("tbody", {}, ...lines)));
}

export function renderTables() {
  const names = shortNames(state.runs);
  const blocks = runsShown().filter(({ run }) => run.table.length).map(({ run, index }) => {
    const warn = run.verdict.startsWith("WARNING");
    const verdict = run.verdict ? [made("p", { className: warn ? "verdict warn" : "verdict" }, run.verdict)] : [];
    return made("div", { className: "run" }, made("h3", {}, names[index]), ...verdict, tableOf(run.table));
  });
  element("tables").querySelector(".body").replaceChildren(...blocks);
  section("tables", blocks.length > 0);
}

export function renderFiles() {
  const names = shortNames(state.runs);
  const blocks = runsShown().map(({ run, index }) => {
    const pictures = run.pictures.map((file) => folded(file.name, made("img", { src: data.picture(index, file), alt: `${file.name} of ${run.name}`, loading: "lazy" })));
    return made("div", { className: "run" }, made("h3", {}, names[index]), ...pictures, folded("config", made("pre", {}, JSON.stringify(run.config, null, 1))));
  });
  element("files").querySelector(".body").replaceChildren(...blocks);
}

const folded = (title, content) => made("details", {}, made("summary", {}, title), content);

export async function renderSurfaces() {
  const names = shortNames(state.runs);
  const wanted = runsShown().flatMap(({ run, index }) => run.surfaces.map((file) => ({ index, file })));
  section("surfaces", wanted.length > 0);
  const frames = wanted.map(async ({ index, file }) => {
    const title = `${names[index]} · ${file.name}`, canvas = made("canvas", { className: "surface" });
    const said = made("p", { className: "value" }), frame = made("figure", {}, made("figcaption", {}, title), canvas, said);
    try {
      const drawn = new Surface(canvas, await data.surface(index, file), title);
      said.textContent = drawn.said;
    } catch (problem) {
      canvas.replaceWith(made("p", { className: "note" }, problem.message));
    }
    return frame;
  });
  element("surfaces").querySelector(".body").replaceChildren(...(await Promise.all(frames)));
}
