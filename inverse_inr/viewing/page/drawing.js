// Canvases with axes: images, colour bars and curves.

import { css, NOT_A_NUMBER, table } from "./colours.js";

const LEFT = 46, BOTTOM = 34, TOP = 6, RIGHT = 10;
const FONT = '11px system-ui, "Segoe UI", "DejaVu Sans", sans-serif';

export function short(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-3) return value.toExponential(2).replace(/\.?0+e/, "e").replace("e+", "e").replaceAll("-", "−");
  return String(Number(value.toPrecision(4))).replace("-", "−");
}

// A coordinate in three digits.
export const brief = (value) => (Math.abs(value) < 1000 ? short(Number(value.toPrecision(3))) : short(value));

export function ticks(low, high, count = 5) {
  const span = high - low;
  if (!(span > 0)) return [low];
  const raw = span / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * span; k++) found.push(Number((k * step).toPrecision(12)));
  return found;
}

export function prepared(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const g = canvas.getContext("2d");
  g.scale(ratio, ratio);
  g.font = FONT;
  return g;
}

// values (height, width) or (height, width, 3) in a window, with ticks in the units of the box
export function drawImage(canvas, image, { size, low, high, map, extent, cross }) {
  const [h, w] = image.shape;
  const ratio = extent.aspect;
  const width = ratio >= 1 ? size : size * ratio, height = ratio >= 1 ? size / ratio : size;
  const g = prepared(canvas, LEFT + width + RIGHT, TOP + height + BOTTOM);
  const small = new OffscreenCanvas(w, h);
  small.getContext("2d").putImageData(new ImageData(coloured(image, low, high, table(map)), w, h), 0, 0);
  g.imageSmoothingEnabled = w > width * 1.5;
  g.drawImage(small, LEFT, TOP, width, height);
  frame(g, { x: LEFT, y: TOP, width, height, horizontal: extent.right, vertical: extent.down, down: true });
  if (cross) drawCross(g, LEFT + cross[1] * width, TOP + cross[0] * height, width, height);
  canvas.placed = { x: LEFT, y: TOP, width, height };
}

function coloured(image, low, high, colours) {
  const [h, w, c = 1] = image.shape;
  const out = new Uint8ClampedArray(4 * h * w), scale = 255 / (high - low || 1);
  for (let k = 0; k < h * w; k++) {
    const value = image.values[c * k];
    if (Number.isNaN(value)) for (let i = 0; i < 3; i++) out[4 * k + i] = NOT_A_NUMBER[i];
    else if (c === 3) for (let i = 0; i < 3; i++) out[4 * k + i] = (image.values[3 * k + i] - low) * scale;
    else {
      const at = 3 * Math.max(0, Math.min(255, Math.round((value - low) * scale)));
      for (let i = 0; i < 3; i++) out[4 * k + i] = colours[at + i];
    }
    out[4 * k + 3] = 255;
  }
  return out;
}

function drawCross(g, x, y, width, height) {
  for (const [colour, line] of [["rgba(0,0,0,.55)", 3], ["rgba(255,225,90,.95)", 1]]) {
    g.strokeStyle = colour;
    g.lineWidth = line;
    g.beginPath();
    const gap = 5;
    for (const [a, b] of [[LEFT, x - gap], [x + gap, LEFT + width]]) if (b > a) { g.moveTo(a, y); g.lineTo(b, y); }
    for (const [a, b] of [[TOP, y - gap], [y + gap, TOP + height]]) if (b > a) { g.moveTo(x, a); g.lineTo(x, b); }
    g.stroke();
  }
}

// The border with ticks; of the vertical axis upwards, unless it runs down.
function frame(g, { x, y, width, height, horizontal, vertical, down = false }) {
  g.fillStyle = g.strokeStyle = css("--soft");
  g.lineWidth = 1;
  g.strokeRect(x - 0.5, y - 0.5, width + 1, height + 1);
  g.textAlign = "center";
  g.textBaseline = "top";
  const along = marks(horizontal, Math.max(2, Math.floor(width / 55)));
  let end = -Infinity;
  for (const mark of along) {
    const at = x + mark.share * width, text = short(mark.value), half = g.measureText(text).width / 2;
    stroke(g, at, y + height, at, y + height + 4);
    if (at - half < end + 4) continue;
    g.fillText(text, at, y + height + 6);
    end = at + half;
  }
  g.fillText(horizontal.label, x + width / 2, y + height + 19);
  g.textAlign = "right";
  g.textBaseline = "middle";
  for (const mark of marks(vertical, Math.max(2, Math.floor(height / 38)))) {
    const at = y + (down ? mark.share : 1 - mark.share) * height;
    stroke(g, x - 4, at, x, at);
    g.fillText(short(mark.value), x - 6, at);
  }
  if (!vertical.label) return;
  g.save();
  g.translate(9, y + height / 2);
  g.rotate(-Math.PI / 2);
  g.textAlign = "center";
  g.fillText(vertical.label, 0, 0);
  g.restore();
}

function marks({ low, high, log }, count) {
  if (!log) return ticks(low, high, count).map((value) => ({ value, share: (value - low) / (high - low || 1) }));
  const [a, b] = [Math.log10(low), Math.log10(high)], found = [];
  const stride = Math.max(1, Math.ceil((b - a) / count)), digits = b - a > 2 ? [1] : b - a > 0.9 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 8];
  for (let k = Math.floor(a); k <= b; k += stride) for (const digit of digits) {
    const share = (k + Math.log10(digit) - a) / (b - a);
    if (share >= -1e-9 && share <= 1 + 1e-9) found.push({ value: digit * 10 ** k, share });
  }
  return found;
}

function stroke(g, x, y, u, v) {
  g.beginPath();
  g.moveTo(x, y);
  g.lineTo(u, v);
  g.stroke();
}

export function drawBar(canvas, { low, high, map, label, width = 240 }) {
  const g = prepared(canvas, width + 44, 42), colours = table(map);
  for (let k = 0; k < width; k++) {
    const at = 3 * Math.round((k / (width - 1)) * 255);
    g.fillStyle = `rgb(${colours[at]},${colours[at + 1]},${colours[at + 2]})`;
    g.fillRect(20 + k, 2, 1.5, 10);
  }
  g.fillStyle = g.strokeStyle = css("--soft");
  g.strokeRect(19.5, 1.5, width + 1, 11);
  g.textAlign = "center";
  g.textBaseline = "top";
  for (const value of ticks(low, high, width / 60)) {
    const at = 20 + ((value - low) / (high - low || 1)) * width;
    stroke(g, at, 12, at, 15);
    g.fillText(short(value), at, 16);
  }
  g.fillText(label, 20 + width / 2, 29);
}

// lines: [{x, y, colour, dash}], all in one frame; marks: points that stand out
export function drawCurves(canvas, lines, { width, height, x, y, logX = false, logY = false, at = null, point = null }) {
  const g = prepared(canvas, width, height);
  const inner = { x: 58, y: 10, width: width - 58 - 14, height: height - 10 - BOTTOM };
  const horizontal = range(lines.map((l) => l.x), logX, 0), vertical = range(lines.map((l) => l.y), logY, 0.05);
  const place = (value, r, log) => log ? Math.log(value / r.low) / Math.log(r.high / r.low) : (value - r.low) / (r.high - r.low);
  g.strokeStyle = css("--grid");
  for (const mark of marks(vertical, 4)) {
    const h = inner.y + (1 - mark.share) * inner.height;
    stroke(g, inner.x, h, inner.x + inner.width, h);
  }
  frame(g, { ...inner, horizontal: { ...horizontal, label: x }, vertical: { ...vertical, label: y } });
  g.save();
  g.beginPath();
  g.rect(inner.x, inner.y, inner.width, inner.height);
  g.clip();
  const to = (a, b) => [inner.x + place(a, horizontal, logX) * inner.width, inner.y + (1 - place(b, vertical, logY)) * inner.height];
  if (at !== null) {
    g.strokeStyle = css("--soft");
    g.setLineDash([3, 3]);
    const [h] = to(at, vertical.low);
    stroke(g, h, inner.y, h, inner.y + inner.height);
  }
  for (const line of lines) {
    g.strokeStyle = g.fillStyle = line.colour;
    g.setLineDash(line.dash);
    g.lineWidth = line.wide ? 2.4 : 1.6;
    g.beginPath();
    let pen = false;
    for (let k = 0; k < line.x.length; k++) {
      const bad = line.y[k] === null || !Number.isFinite(line.y[k]) || (logY && line.y[k] <= 0);
      if (!bad) g[pen ? "lineTo" : "moveTo"](...to(line.x[k], line.y[k]));
      pen = !bad;
    }
    g.stroke();
    g.setLineDash([]);
    if (line.x.length < 24) for (let k = 0; k < line.x.length; k++) if (line.y[k] !== null) dot(g, ...to(line.x[k], line.y[k]), 2.2);
  }
  if (point) { g.fillStyle = css("--warn"); dot(g, ...to(...point), 5); }
  g.restore();
}

function dot(g, x, y, radius) {
  g.beginPath();
  g.arc(x, y, radius, 0, 2 * Math.PI);
  g.fill();
}

function range(series, log, room) {
  let low = Infinity, high = -Infinity;
  for (const values of series) for (const v of values) {
    if (v === null || !Number.isFinite(v) || (log && v <= 0)) continue;
    low = Math.min(low, v);
    high = Math.max(high, v);
  }
  if (low > high) [low, high] = log ? [1, 10] : [0, 1];
  if (low === high) [low, high] = log ? [low / 2, high * 2] : [low - Math.abs(low) / 2 - 0.5e-6, high + Math.abs(high) / 2 + 0.5e-6];
  if (log) return { low: low / (1 + room), high: high * (1 + room), log };
  return { low: low - room * (high - low), high: high + room * (high - low), log };
}
