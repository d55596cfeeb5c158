// Names beside targets, on a canvas of their own: chosen twice a second so that none covers another, placed in every frame.

import { AIRCRAFT, STATION } from "./kinds.js";
import { CHOSEN, HOVERED } from "./store.js";

const MOST = 140, CELL_WIDTH = 24, CELL_HEIGHT = 15, PAUSE_MS = 500;

export class Labels {
  constructor(canvas, store) { Object.assign(this, { canvas, store, pen: canvas.getContext("2d"), chosen: [], chosenAt: 0, on: true, big: 1, covered: 0, over: () => [] }); }

  resize(ratio) {
    this.ratio = ratio; this.width = this.canvas.clientWidth; this.height = this.canvas.clientHeight; this.chosenAt = 0;
    this.canvas.width = this.width * ratio; this.canvas.height = this.height * ratio;
  }

  draw(view, project, inView) {
    const { pen, store, big } = this, font = `550 ${11.5 * big}px Inter, system-ui, sans-serif`;
    if (performance.now() - this.chosenAt > PAUSE_MS) { this.chosenAt = performance.now(); pen.font = font; this.chosen = this.on ? this.#choose(view, project, inView()) : []; }
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0); pen.clearRect(0, 0, this.width, this.height);
    Object.assign(pen, { font, textBaseline: "middle", lineJoin: "round", lineWidth: 3 * big, strokeStyle: store.dark ? "#0b1420e6" : "#ffffffe6" });
    for (const [row, left] of this.chosen) {
      if (!store.live[row]) continue;
      const [x, y] = project(...store.drawn(row)), wide = ((store.kind[row] === AIRCRAFT ? 14 : 11) + (store.flags[row] & CHOSEN ? 7 : 0)) * big, gap = left ? -wide : wide;
      pen.textAlign = left ? "right" : "left";
      pen.fillStyle = store.flags[row] & CHOSEN ? (store.dark ? "#fff" : "#000") : store.dark ? "#c9d5e4" : "#2c3a4b";
      pen.strokeText(store.name[row], x + gap, y); pen.fillText(store.name[row], x + gap, y);
    }
  }

  #choose(view, project, rows) {
    const { store, big } = this, room = view.zoom >= 9 || rows.length < 120 ? MOST : view.zoom >= 6.5 ? 70 : 0;
    const marked = (row) => store.flags[row] & (CHOSEN | HOVERED);
    const rank = (row) => (marked(row) ? 1e6 : 0) + (store.alarm[row] ? 1e5 : 0) + (store.kind[row] === AIRCRAFT ? 400 : store.vx[row] || store.vy[row] ? 300 + Math.min(99, store.length[row] / 4) : 50);
    const wanted = rows.filter((row) => store.name[row] && (room || marked(row) || store.alarm[row]) && (store.kind[row] !== STATION || view.zoom >= 10.5));
    wanted.sort((a, b) => rank(b) - rank(a) || a - b);
    const taken = new Set(), found = [], end = this.width - this.covered, over = this.over(); // the card lies over the rest
    const hidden = (from, to, y) => over.some(([left, top, right, bottom]) => to > left && from < right && y > top - 8 && y < bottom + 8);
    for (const row of wanted) {
      if (found.length >= Math.max(room, 3)) break;
      const [x, y] = project(...store.drawn(row)), wide = this.pen.measureText(store.name[row]).width + 16 * big;
      if (x < -40 || y < -20 || x > end + 20 || y > this.height + 20) continue;
      const left = x + wide > end - 4 || hidden(x, x + wide, y), cells = [];
      if (left && hidden(x - wide, x, y)) continue;
      for (let c = Math.floor((left ? x - wide : x - 8) / CELL_WIDTH); c <= Math.floor((left ? x + 8 : x + wide) / CELL_WIDTH); c++)
        for (let r = Math.floor((y - 7 * big) / CELL_HEIGHT); r <= Math.floor((y + 7 * big) / CELL_HEIGHT); r++) cells.push(c * 8192 + r);
      if (cells.some((cell) => taken.has(cell))) continue;
      cells.forEach((cell) => taken.add(cell)); found.push([row, left]);
    }
    return found;
  }
}
