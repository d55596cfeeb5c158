// Films of the past, as `/api/replay/` gives them, to events in order of time. No page, no map.

import { clean } from "../format.js";
import { VESSEL } from "../kinds.js";

/** Columns of events: when (epoch seconds), of which target, where, and which event is that target's next, -1 for none. */
export class Film {
  constructor(size) {
    Object.assign(this, { time: new Float64Array(size), lat: new Float64Array(size), lon: new Float64Array(size), target: new Int32Array(size), next: new Int32Array(size).fill(-1), order: null, targets: [] });
  }

  /** The first event, in order, that is later than `seconds`. */
  after(seconds) {
    let low = 0, high = this.order.length;
    while (low < high) { const middle = (low + high) >> 1; if (this.time[this.order[middle]] <= seconds) low = middle + 1; else high = middle; }
    return low;
  }
}

/** A film of both kinds. A step's place is the last in it, so its time is taken as the step's end. */
export function filmOf(body) {
  const from = Date.parse(body.from) / 1000, kinds = [body.vessels, body.aircraft];
  const film = new Film(kinds.reduce((sum, part) => sum + part.steps.length, 0));
  let at = 0;
  kinds.forEach((part, kind) => {
    let point = 0;
    part.targets.forEach((id, number) => {
      const target = film.targets.push({ kind, id, name: clean(part.names[number]), type: kind === VESSEL ? +part.types[number] || 0 : part.types[number] }) - 1;
      let step = 0, lat = 0, lon = 0;
      for (let left = part.counts[number]; left > 0; left--, point++, at++) {
        step += part.steps[point]; lat += part.latitudes[point]; lon += part.longitudes[point];
        film.time[at] = from + (step + 1) * body.step; film.lat[at] = lat / body.scale; film.lon[at] = lon / body.scale; film.target[at] = target;
        if (left > 1) film.next[at] = at + 1;
      }
    });
  });
  film.order = Int32Array.from(film.time.keys()).sort((a, b) => film.time[a] - film.time[b] || a - b);
  return film;
}
