// A surface drawn with a depth buffer of our own: no graphics hardware is needed.

import { css } from "./colours.js";
import { prepared, short } from "./drawing.js";

const BASE = [112, 164, 208];

export class Surface {
  constructor(canvas, { vertices, faces }, label) {
    this.canvas = canvas;
    this.vertices = vertices;
    this.faces = faces;
    this.angles = [-0.9, 0.45];
    this.zoom = 1;
    this.size = 420;
    this.measure();
    const kind = faces.length ? `${faces.length / 3} triangles` : `${vertices.length / 3} points`;
    this.said = `${kind}; ${this.extent.map((e, i) => `${"xyz"[i]} ${short(e[0])} to ${short(e[1])}`).join(", ")}`;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${label}: ${this.said}`);
    canvas.tabIndex = 0;
    canvas.onkeydown = (event) => this.key(event);
    canvas.onpointerdown = (event) => canvas.setPointerCapture(event.pointerId);
    canvas.onpointermove = (event) => { if (event.buttons & 1) this.turn(event.movementX / 120, event.movementY / 120); };
    this.draw();
  }

  measure() {
    this.extent = [0, 1, 2].map((i) => {
      let low = Infinity, high = -Infinity;
      for (let k = i; k < this.vertices.length; k += 3) {
        low = Math.min(low, this.vertices[k]);
        high = Math.max(high, this.vertices[k]);
      }
      return [low, high];
    });
    this.centre = this.extent.map(([a, b]) => (a + b) / 2);
    this.radius = Math.hypot(...this.extent.map(([a, b]) => (b - a) / 2)) || 1;
  }

  key(event) {
    const turns = { ArrowLeft: [-0.12, 0], ArrowRight: [0.12, 0], ArrowUp: [0, -0.12], ArrowDown: [0, 0.12] };
    if (turns[event.key]) this.turn(...turns[event.key]);
    else if (event.key === "+" || event.key === "=") this.grow(1.15);
    else if (event.key === "-") this.grow(1 / 1.15);
    else return;
    event.preventDefault();
  }

  grow(factor) {
    this.zoom *= factor;
    this.draw();
  }

  turn(across, up) {
    this.angles[0] += across;
    this.angles[1] = Math.max(-1.5, Math.min(1.5, this.angles[1] + up));
    this.draw();
  }

  // the third axis points up; x and y are on the screen, z towards the eye
  turned() {
    const [a, b] = this.angles, [ca, sa, cb, sb] = [Math.cos(a), Math.sin(a), Math.cos(b), Math.sin(b)];
    const scale = (0.92 * this.zoom * this.pixels) / 2 / this.radius, out = new Float32Array(this.vertices.length);
    for (let k = 0; k < out.length; k += 3) {
      const [x, y, z] = this.centre.map((c, i) => this.vertices[k + i] - c);
      const u = ca * x - sa * y, v = sa * x + ca * y;
      out[k] = this.pixels / 2 + scale * u;
      out[k + 1] = this.pixels / 2 - scale * (cb * z + sb * v);
      out[k + 2] = scale * (sb * z - cb * v);
    }
    return out;
  }

  draw() {
    const g = prepared(this.canvas, this.size, this.size);
    this.pixels = this.canvas.width;
    const image = g.createImageData(this.pixels, this.pixels), points = this.turned();
    const depth = new Float32Array(this.pixels ** 2).fill(-Infinity);
    if (this.faces.length) for (let k = 0; k < this.faces.length; k += 3) this.triangle(points, k, depth, image.data);
    else for (let k = 0; k < points.length; k += 3) this.spot(points, k, depth, image.data);
    g.putImageData(image, 0, 0);
    this.axes(g);
  }

  triangle(p, k, depth, out) {
    const n = this.pixels, [i, j, l] = [3 * this.faces[k], 3 * this.faces[k + 1], 3 * this.faces[k + 2]];
    const [x0, y0, z0] = [p[i], p[i + 1], p[i + 2]], ux = p[j] - x0, uy = p[j + 1] - y0, uz = p[j + 2] - z0;
    const vx = p[l] - x0, vy = p[l + 1] - y0, vz = p[l + 2] - z0;
    const area = ux * vy - uy * vx;
    if (area === 0) return;
    const nx = uy * vz - uz * vy, ny = uz * vx - ux * vz, length = Math.hypot(nx, ny, area);
    // both sides are lit alike: files disagree on which is outside
    const light = 0.25 + 0.75 * Math.abs((-0.35 * nx - 0.5 * ny + 0.79 * area) / length);
    const left = Math.max(0, Math.ceil(Math.min(x0, x0 + ux, x0 + vx) - 0.5)), right = Math.min(n - 1, Math.floor(Math.max(x0, x0 + ux, x0 + vx) + 0.5));
    const top = Math.max(0, Math.ceil(Math.min(y0, y0 + uy, y0 + vy) - 0.5)), low = Math.min(n - 1, Math.floor(Math.max(y0, y0 + uy, y0 + vy) + 0.5));
    for (let y = top; y <= low; y++) for (let x = left; x <= right; x++) {
      const dx = x - x0, dy = y - y0, s = (dx * vy - dy * vx) / area, t = (ux * dy - uy * dx) / area;
      if (s < -1e-3 || t < -1e-3 || s + t > 1.001) continue;
      this.put(x, y, z0 + s * uz + t * vz, light, depth, out);
    }
  }

  spot(p, k, depth, out) {
    const light = 0.55 + 0.45 * Math.max(-1, Math.min(1, p[k + 2] / (this.pixels / 2)));
    for (let y = -1; y <= 1; y++) for (let x = -1; x <= 1; x++) this.put(Math.round(p[k]) + x, Math.round(p[k + 1]) + y, p[k + 2], light, depth, out);
  }

  put(x, y, z, light, depth, out) {
    const n = this.pixels, at = y * n + x;
    if (x < 0 || y < 0 || x >= n || y >= n || depth[at] >= z) return;
    depth[at] = z;
    for (let c = 0; c < 3; c++) out[4 * at + c] = BASE[c] * light;
    out[4 * at + 3] = 255;
  }

  // small arrows in the corner say how the surface lies
  axes(g) {
    const [a, b] = this.angles, [ca, sa, cb, sb] = [Math.cos(a), Math.sin(a), Math.cos(b), Math.sin(b)];
    const ends = [[ca, -sb * sa], [-sa, -sb * ca], [0, -cb]], at = [40, this.size - 40];
    g.font = '12px system-ui, "DejaVu Sans", sans-serif';
    g.textAlign = "center";
    g.textBaseline = "middle";
    ends.forEach(([x, y], i) => {
      g.strokeStyle = g.fillStyle = css("--fg");
      g.lineWidth = 1.5;
      g.beginPath();
      g.moveTo(...at);
      g.lineTo(at[0] + 24 * x, at[1] + 24 * y);
      g.stroke();
      g.fillText("xyz"[i], at[0] + 33 * x, at[1] + 33 * y);
    });
  }
}
