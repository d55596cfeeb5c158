// The past in the place of the present: fills the store with who was there at a moment, and moves them on from there.
// A moment is asked of `/api/at/`, which is exact; what follows comes of hours of film. The page hears by `changed`.

import { holds, snappedBox } from "../geo.js";
import { AIRCRAFT, VESSEL } from "../kinds.js";
import { filmOf } from "./film.js";

const HOUR = 3600, FILMS = 3, MOST = 20000;
const APART_SECONDS = [1800, 300]; // reports further apart are no straight line: ship, aircraft
const TICK_MS = 200, VALUES_SECONDS = 600, VALUES_MS = 5000;
export const RATES = [1, 10, 60, 300, 900];
const iso = (seconds) => new Date(Math.round(seconds * 1000)).toISOString();

export class Replay {
  /** `got` asks for an address; `changed` when the store did, `told` when the clock or the state did, `ended` at the present. */
  constructor(api, store, { view, zoom, got, changed, told, ended }) {
    Object.assign(this, { api, store, view, zoom, got, changed, told, ended, on: false, playing: false, rate: 60, problem: "", waiting: false, films: new Map(), known: new Map(), asked: 0 });
  }

  now() { return this.playing ? this.from + ((performance.now() - this.since) / 1000) * this.rate : this.from; }
  #restart(seconds) { Object.assign(this, { from: seconds, since: performance.now() }); }

  /** Leave the present. Names that it knows are kept for the past. */
  start(seconds) {
    const { store } = this;
    if (!this.on) for (let row = 0; row < store.count; row++) if (store.live[row]) this.known.set(`${store.kind[row]}${store.id[row]}`, { name: store.name[row], type: store.type[row] });
    this.on = true; this.#restart(seconds); store.clock = () => this.now();
    return this.seek(seconds);
  }

  stop() {
    Object.assign(this, { on: false, playing: false, box: null, problem: "" }); this.asked++;
    this.films.clear(); this.known.clear(); clearInterval(this.ticking);
    this.store.clock = null; this.store.clear();
  }

  play() { if (this.playing) return; this.#restart(this.from); this.playing = true; this.ticking = setInterval(() => this.tick(), TICK_MS); this.told(); }
  pause() { if (!this.playing) return; const now = this.now(); this.playing = false; clearInterval(this.ticking); this.#restart(now); return this.seek(now); }
  setRate(rate) { this.#restart(this.now()); this.rate = rate; this.told(); }

  /** The state of a moment, exactly as it was stored. */
  async seek(seconds) {
    const number = ++this.asked;
    this.#restart(seconds); this.box = snappedBox(this.view()); this.waiting = true; this.told();
    const [world, film] = await Promise.all([this.#world(seconds), this.#film(seconds)]);
    if (number !== this.asked) return;
    this.waiting = false;
    this.problem = [world, film].map(({ refused }) => wordOf(refused)).find(Boolean) ?? "";
    if (!this.problem) { this.store.clear(seconds); this.#show(world, true); this.truncated = world.truncated; this.#aim(film, seconds); }
    this.changed(); this.told();
  }

  /** Move the clock on: events that are due, hours that come next. */
  tick() {
    if (!this.on || !this.playing || document.hidden) return;
    const now = this.now();
    if (now >= Date.now() / 1000 - 5) return this.ended();
    if (this.waiting) return this.#restart(this.from); // time stands still while there is nothing to show
    if (now >= this.hour + HOUR && !this.#turn(now)) return;
    this.#apply(now); this.from = now; this.since = performance.now();
    this.store.sweep(); this.#prefetch(now); this.#refresh(now); this.changed(); this.told();
  }

  moved() { if (this.on && this.box && !holds(this.box, this.view())) this.seek(this.now()); }

  // --- films ---
  #aim(film, seconds) { this.film = film; this.hour = hourOf(seconds); this.place = film.after(seconds); }

  #turn(now) {
    const film = this.films.get(this.#key(hourOf(now)));
    if (!film?.order) { this.from = this.hour + HOUR; this.#wait(now); return false; }
    this.#apply(this.hour + HOUR); this.#aim(film, hourOf(now));
    return true;
  }

  async #wait(now) {
    this.waiting = true; this.told();
    const number = this.asked, film = await this.#film(now);
    if (number !== this.asked) return;
    this.waiting = false; this.problem = wordOf(film.refused) ?? ""; this.#restart(this.from); this.told();
  }

  #apply(now) {
    const { film, store } = this, latest = new Map();
    for (; this.place < film.order.length && film.time[film.order[this.place]] <= now; this.place++) latest.set(film.target[film.order[this.place]], film.order[this.place]);
    for (const [target, event] of latest) {
      const { kind, id, name, type } = film.targets[target], next = film.next[event], heard = film.time[event];
      const to = next >= 0 && film.time[next] - heard <= APART_SECONDS[kind] ? { at: film.time[next], lat: film.lat[next], lon: film.lon[next] } : null;
      store.set(kind, id, { lat: film.lat[event], lon: film.lon[event], heard, name, type, to });
    }
  }

  #key(hour) { return `${hour} ${this.#step()} ${this.box}`; }
  #step() { const zoom = this.zoom(); return zoom >= 7 ? 60 : zoom >= 4.5 ? 120 : 300; }

  /** The film of the hour of a moment, kept for a while. */
  #film(seconds) {
    const hour = hourOf(seconds), key = this.#key(hour);
    if (this.films.has(key)) return Promise.resolve(this.films.get(key));
    const asked = this.got(`${this.api}replay/?${new URLSearchParams({ from: iso(hour), to: iso(hour + HOUR), step: this.#step(), bbox: this.box.join() })}`).then((body) => {
      if (body.refused !== undefined) { this.films.delete(key); return body; }
      const film = filmOf(body);
      this.films.set(key, film);
      for (const { kind, id, name, type } of film.targets) if (name || type) this.known.set(`${kind}${id}`, { name, type });
      return film;
    });
    this.films.set(key, asked);
    while (this.films.size > FILMS) this.films.delete(this.films.keys().next().value);
    return asked;
  }

  #prefetch(now) { if (now + Math.max(600, 20 * this.rate) > this.hour + HOUR && this.hour + HOUR < Date.now() / 1000) this.#film(this.hour + HOUR); }

  // --- moments ---
  #world(seconds) { this.valuesAt = seconds; this.valuesMs = performance.now(); return this.got(`${this.api}at/?${new URLSearchParams({ time: iso(seconds), bbox: this.box.join(), limit: MOST })}`); }

  /** Films have no altitudes: ask for values now and then, and leave the places to the film. */
  async #refresh(now) {
    if (Math.abs(now - this.valuesAt) < VALUES_SECONDS || performance.now() - this.valuesMs < VALUES_MS) return;
    const number = this.asked, world = await this.#world(now);
    if (number === this.asked && world.refused === undefined) this.#show(world, false);
  }

  #show(world, places) {
    for (const one of world.aircraft) this.#one(AIRCRAFT, one, { speed: one.ground_speed, heading: one.heading, course: one.heading, altitude: one.altitude, climb: one.vertical_rate, ground: one.on_ground ? 1 : 0, source: one.source }, places);
    for (const one of world.vessels) this.#one(VESSEL, one, { speed: one.speed, course: one.course, heading: one.heading, status: one.status, source: one.source }, places);
  }

  #one(kind, one, values, places) {
    const { store } = this, row = store.row(`${"va"[kind]}${one.id}`);
    if (places) store.set(kind, one.id, { ...this.known.get(`${kind}${one.id}`), ...values, lat: one.latitude, lon: one.longitude, heard: Date.parse(one.timestamp) / 1000 });
    else if (row >= 0) { if (kind === AIRCRAFT) { store.altitude[row] = one.altitude ?? NaN; store.climb[row] = one.vertical_rate ?? NaN; } store.source[row] = one.source; store.write(row); }
  }
}

const hourOf = (seconds) => Math.floor(seconds / HOUR) * HOUR;
function wordOf(refused) {
  if (refused === undefined) return null;
  return refused === 503 ? "The database is away: the past comes back with it" : refused === 401 || refused === 403 ? "The past needs a log-in" : refused === 429 ? "Asked too often" : refused ? `The server answers ${refused}` : "No connection";
}
