// Every target that is known, in columns, and the buffer from which they are drawn.
// Bodies of `changes` enter, or single targets of the past; whoever draws or lists reads the columns. It knows neither
// map nor page. `clock` tells the time where it is not now.

import { between, mercatorX, mercatorY, unitsOf, velocity } from "./geo.js";
import { clean } from "./format.js";
import { AIRCRAFT, ALARM, CATEGORIES, GROUND, KINDS, LYING, SHAPE, STATION, STATIONS, UNKNOWN, VESSEL, altitudeColour, categoryOf, emergencyOf, rgb } from "./kinds.js";

export const WORDS = 13; // 32-bit words a target in the buffer
export const HIDDEN = 1, CHOSEN = 2, HOVERED = 4, AIR = 8, STILL = 16, FIXED = 32;
export const MOVED_ON_SECONDS = [180, 30, 0]; // how long a target is moved on without a report: ship, aircraft, station
const DRIFT_SECONDS = 0.002, STEP_SECONDS = 10; // by which clocks may part between two bodies, and what only setting a clock does
const known = (value) => (value === UNKNOWN ? NaN : value);

export class Store {
  constructor(capacity = 8192) {
    this.rows = new Map(); this.free = []; this.count = 0; this.capacity = 0;
    this.next = ""; this.ttl = 1800; this.offset = null; this.totals = {}; this.dark = true; this.still = false;
    this.base = Math.floor(Date.now() / 1000); this.changed = [Infinity, -1]; this.grown = true;
    this.passes = () => true; this.tint = () => null;
    this.id = []; this.name = []; this.source = []; this.type = []; this.silhouette = []; this.alarm = [];
    this.#grow(capacity);
  }

  #grow(size) {
    const grow = (name, Type, width = 1) => { const made = new Type(size * width); if (this[name]) made.set(this[name]); this[name] = made; };
    for (const name of ["lat", "lon", "x", "y", "heard", "speed", "course", "heading", "altitude", "climb"]) grow(name, Float64Array);
    for (const name of ["vx", "vy", "until"]) grow(name, Float64Array);
    for (const name of ["squawk", "status", "length", "beam", "round"]) grow(name, Int32Array);
    for (const name of ["kind", "live", "flags", "category", "ground"]) grow(name, Uint8Array);
    grow("floats", Float32Array, WORDS);
    this.bytes = new Uint8Array(this.floats.buffer);
    this.capacity = size; this.grown = true;
  }

  /** The server's time, epoch seconds. */
  now() { return this.clock ? this.clock() : Date.now() / 1000 + (this.offset ?? 0); }

  /** A body that was long on its way tells an earlier time than it is, so the latest that was told is right: else all
   * targets would leap back with each slow answer. */
  #setClock(told) {
    const offset = told - Date.now() / 1000, before = this.offset ?? offset;
    this.offset = Math.abs(offset - before) > STEP_SECONDS ? offset : Math.max(offset, before - DRIFT_SECONDS);
  }

  /** The row of a key such as v244660123, -1 where it is not known. */
  row(key) { return this.rows.get(key) ?? -1; }

  /** Take a body; how many rows it had. */
  apply(body) {
    this.#setClock(body.now);
    Object.assign(this, { ttl: body.ttl, totals: body.total, next: body.next });
    this.generation = ((this.generation ?? 0) + 1) % 1e9;
    let taken = 0;
    KINDS.forEach((name, kind) => { if (body[name]) taken += this.#take(kind, body[name], body.now); });
    if (body.reset) for (let row = 0; row < this.count; row++) if (this.live[row] && this.round[row] !== this.generation) this.drop(row);
    return taken;
  }

  #take(kind, part, now) {
    const rows = new Int32Array(part.id.length);
    let lat = 0, lon = 0;
    part.id.forEach((id, place) => {
      lat += part.lat[place]; lon += part.lon[place];
      const row = (rows[place] = this.#row(kind, id));
      this.round[row] = this.generation;
      this.lat[row] = lat / 1e5; this.lon[row] = lon / 1e5; this.heard[row] = now - part.age[place] / 10;
      this.x[row] = mercatorX(this.lon[row]); this.y[row] = mercatorY(this.lat[row]);
      if (kind !== STATION) this.#move(kind, row, part, place);
    });
    this.#describe(kind, rows, part.static);
    rows.forEach((row) => this.write(row));
    return rows.length;
  }

  #row(kind, id) {
    const key = KINDS[kind][0] + id;
    let row = this.rows.get(key);
    if (row !== undefined) return row;
    row = this.free.pop() ?? this.count++;
    if (row >= this.capacity) this.#grow(2 * this.capacity);
    this.rows.set(key, row);
    this.id[row] = id; this.name[row] = this.source[row] = this.type[row] = this.silhouette[row] = ""; this.alarm[row] = null;
    this.kind[row] = kind; this.live[row] = 1; this.flags[row] = [0, AIR, FIXED][kind]; this.category[row] = 7;
    for (const column of ["speed", "course", "heading", "altitude", "climb"]) this[column][row] = NaN;
    for (const column of ["length", "beam", "vx", "vy", "ground"]) this[column][row] = 0;
    this.squawk[row] = this.status[row] = UNKNOWN; this.until[row] = MOVED_ON_SECONDS[kind];
    return row;
  }

  #move(kind, row, part, place) {
    this.speed[row] = known(part.speed[place]) / 10; this.heading[row] = known(part.heading[place]);
    let direction = this.heading[row];
    if (kind === VESSEL) {
      this.course[row] = direction = known(part.course[place]); this.status[row] = part.status[place];
    } else {
      this.altitude[row] = known(part.altitude[place]) * 25; this.climb[row] = known(part.climb[place]) * 64;
      this.ground[row] = part.ground[place] === 1 ? 1 : 0; this.squawk[row] = part.squawk[place];
    }
    const lies = kind === VESSEL && (LYING.has(this.status[row]) || !(this.speed[row] > 0.5));
    [this.vx[row], this.vy[row]] = lies ? [0, 0] : velocity(this.speed[row], direction, this.lat[row]);
  }

  #describe(kind, rows, part) {
    let at = 0;
    part.at.forEach((step, place) => {
      at += step;
      const row = rows[at];
      this.name[row] = clean(part.name[place]); this.source[row] = part.source[place];
      if (kind === AIRCRAFT) this.silhouette[row] = part.shape?.[place] ?? "";
      this.type[row] = part.type[place] === UNKNOWN ? 0 : part.type[place];
      if (kind === VESSEL) { this.category[row] = categoryOf(this.type[row]); this.length[row] = part.length[place]; this.beam[row] = part.beam[place]; }
    });
  }

  /** A target as it was: `seen` has lat, lon and heard, of the rest what is known; `to`, where and when it was next. */
  set(kind, id, { to, lat, lon, heard, ...seen }) {
    const row = this.#row(kind, id);
    this.lat[row] = lat; this.lon[row] = lon; this.heard[row] = heard; this.x[row] = mercatorX(lon); this.y[row] = mercatorY(lat);
    for (const name of Object.keys(seen)) if (seen[name] !== undefined && seen[name] !== null) this[name][row] = seen[name];
    if (kind === VESSEL) this.category[row] = categoryOf(this.type[row] || 0);
    if (to) this.#headFor(row, to);
    else {
      const lies = kind === STATION || !(this.speed[row] > 0.5);
      [this.vx[row], this.vy[row]] = lies ? [0, 0] : velocity(this.speed[row], kind === VESSEL ? this.course[row] : this.heading[row], lat);
      this.until[row] = MOVED_ON_SECONDS[kind];
    }
    this.write(row);
    return row;
  }

  /** Straight to the next place, at the speed and on the course that this takes. */
  #headFor(row, to) {
    const seconds = to.at - this.heard[row], { miles, bearing } = between(this.lat[row], this.lon[row], to.lat, to.lon), east = mercatorX(to.lon) - this.x[row];
    this.vx[row] = (east - Math.round(east)) / seconds; this.vy[row] = (mercatorY(to.lat) - this.y[row]) / seconds; this.until[row] = seconds;
    this.speed[row] = (miles * 3600) / seconds;
    if (miles > 0.02) { this.course[row] = bearing; this.heading[row] = bearing; }
  }

  /** Let go of everything, and count times from `base`, epoch seconds. */
  clear(base = Date.now() / 1000) {
    this.rows.clear(); this.free = []; this.count = 0; this.totals = {}; this.live.fill(0);
    this.base = Math.floor(base); this.changed = [Infinity, -1];
  }

  /** How many targets of each kind there are. */
  counts() {
    const found = Object.fromEntries(KINDS.map((name) => [name, 0]));
    for (let row = 0; row < this.count; row++) if (this.live[row]) found[KINDS[this.kind[row]]]++;
    return found;
  }

  drop(row) {
    this.rows.delete(KINDS[this.kind[row]][0] + this.id[row]);
    this.live[row] = 0; this.flags[row] |= HIDDEN; this.free.push(row); this.#put(row);
  }

  /** Let go of what has died; whether anything has. */
  sweep() {
    const dead = this.now() - this.ttl;
    let any = false;
    for (let row = 0; row < this.count; row++) if (this.live[row] && this.heard[row] <= dead) { this.drop(row); any = true; }
    return any;
  }

  flag(row, bit, on) {
    if (row < 0 || !this.live[row]) return;
    this.flags[row] = on ? this.flags[row] | bit : this.flags[row] & ~bit;
    this.write(row);
  }

  /** Where a target is drawn now, Mercator: moved on from where it was heard, for as long as that is honest. */
  drawn(row, now = this.now()) {
    const seconds = this.still ? 0 : Math.min(Math.max(0, now - this.heard[row]), this.until[row]);
    return [this.x[row] + this.vx[row] * seconds, this.y[row] + this.vy[row] * seconds];
  }

  /** The nearest visible target within `reach` Mercator units, -1 for none. */
  nearest(x, y, reach) {
    let best = -1, least = reach * reach;
    const now = this.now();
    for (let row = 0; row < this.count; row++) {
      if (!this.live[row] || this.flags[row] & HIDDEN || Math.abs(this.y[row] - y) > reach * 4 + 1e-4) continue;
      const [tx, ty] = this.drawn(row, now), dx = tx - x - Math.round(tx - x), far = dx * dx + (ty - y) ** 2;
      if (far < least) { least = far; best = row; }
    }
    return best;
  }

  /** The visible targets in a view in degrees, which may reach beyond 180. */
  within([west, south, east, north]) {
    const found = [];
    for (let row = 0; row < this.count; row++) {
      if (!this.live[row] || this.flags[row] & HIDDEN || this.lat[row] < south || this.lat[row] > north) continue;
      const lon = this.lon[row] + 360 * Math.ceil((west - this.lon[row]) / 360);
      if (lon <= east) found.push(row);
    }
    return found;
  }

  /** The colour by theme, [red, green, blue]. */
  colour(row) {
    const theme = this.dark ? 0 : 1;
    if (this.alarm[row]) return rgb(ALARM);
    const tint = this.tint(row);
    if (tint) return tint;
    if (this.kind[row] === VESSEL) return rgb(CATEGORIES[this.category[row]][2 + theme]);
    if (this.kind[row] === STATION) return rgb((STATIONS[this.type[row]] ?? STATIONS.aid)[theme]);
    return this.ground[row] || !Number.isFinite(this.altitude[row]) ? rgb(GROUND[theme]) : altitudeColour(this.altitude[row], this.dark);
  }

  shape(row) {
    if (this.kind[row] === AIRCRAFT) return SHAPE[this.silhouette[row]] ?? SHAPE.jet;
    if (this.kind[row] === STATION) return this.type[row] === "base" ? SHAPE.base : SHAPE.aid;
    if (this.alarm[row]) return SHAPE.alarm;
    const lies = LYING.has(this.status[row]) || !(this.speed[row] > 0.5);
    return lies && !Number.isFinite(this.heading[row]) ? SHAPE.lying : SHAPE[CATEGORIES[this.category[row]][0]];
  }

  /** Write a target anew into the buffer: it changed, or what is shown did. */
  write(row) {
    this.alarm[row] = emergencyOf(this.kind[row], this.id[row], this.squawk[row], this.status[row]);
    const shown = this.passes(row) || this.flags[row] & CHOSEN || this.alarm[row];
    this.flags[row] = shown ? this.flags[row] & ~HIDDEN : this.flags[row] | HIDDEN;
    const moving = this.vx[row] || this.vy[row];
    this.flags[row] = moving ? this.flags[row] & ~STILL : this.flags[row] | STILL;
    this.#put(row);
  }

  rewrite() { for (let row = 0; row < this.count; row++) if (this.live[row]) this.write(row); }

  #put(row) {
    const at = row * WORDS, f = this.floats, highX = Math.fround(this.x[row]), highY = Math.fround(this.y[row]);
    f[at] = highX; f[at + 1] = highY; f[at + 2] = this.x[row] - highX; f[at + 3] = this.y[row] - highY;
    f[at + 4] = this.vx[row]; f[at + 5] = this.vy[row]; f[at + 6] = this.heard[row] - this.base;
    const angle = Number.isFinite(this.heading[row]) ? this.heading[row] : this.course[row];
    f[at + 7] = (Number.isFinite(angle) ? angle : 0) * Math.PI / 180;
    const known_ = this.kind[row] === VESSEL && this.length[row] > 0 && Number.isFinite(this.heading[row]);
    f[at + 8] = known_ ? unitsOf(this.length[row], this.lat[row]) : 0;
    f[at + 9] = known_ ? unitsOf(this.beam[row] || this.length[row] / 6, this.lat[row]) : 0;
    f[at + 10] = this.until[row];
    const [red, green, blue] = this.colour(row), { bytes } = this, first = (at + 11) * 4;
    bytes[first] = red; bytes[first + 1] = green; bytes[first + 2] = blue; bytes[first + 3] = 255;
    bytes[first + 4] = this.shape(row); bytes[first + 5] = this.flags[row]; bytes[first + 6] = this.kind[row]; bytes[first + 7] = this.alarm[row] ? 1 : 0;
    this.changed = [Math.min(this.changed[0], row), Math.max(this.changed[1], row)];
  }
}
