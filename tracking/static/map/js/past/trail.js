// The trail of the chosen target: asked for, coloured, and told point by point. Answers of the API enter; features of
// GeoJSON leave, and the point that is nearest to a place.

import { html, nothing, svg } from "../../vendor/lit-html-3.3.3/lit-html.js";
import { altitude, course, moment, speed } from "../format.js";
import { mercatorX, mercatorY } from "../geo.js";
import { AIRCRAFT, SERIES, STATION, altitudeColour, rgb } from "../kinds.js";

const GAP_SECONDS = [3600, 600, 0]; // no line over a longer silence
const HOURS = { "1h": 1, "6h": 6, "24h": 24, "3d": 72, "7d": 168, "31d": 744 };
const WORDS = { "1h": "1 hour", "6h": "6 hours", "24h": "24 hours", "3d": "3 days", "7d": "7 days", "31d": "31 days", other: "from … to …" };
const POINTS = 3000;
// Knots for ships, dark, light; aircraft are twenty times as fast.
const SPEEDS = [[0, "#6f86ff", "#3a55c9"], [5, "#3fb8e8", "#0f7fb3"], [10, "#3fd0a0", "#0f8f67"], [15, "#c9d94a", "#7f8b00"], [20, "#ffb03a", "#c26f00"], [30, "#ff5a5a", "#c81e41"]];
const LEVELS = 12;
const iso = (seconds) => new Date(seconds * 1000).toISOString();

export class Trail {
  constructor(store, { by = "", span = "24h" } = {}) { Object.assign(this, { store, by, span: HOURS[span] || /_/.test(span) ? span : "24h", points: [], kind: STATION }); }

  /** The span that is wanted, epoch seconds, where it ends at `now`. */
  edges(now) {
    if (HOURS[this.span]) return [now - HOURS[this.span] * 3600, now];
    return this.span.split("_").map((edge) => Date.parse(edge) / 1000);
  }

  /** Where to ask: a visitor has the last day of who is live; who is logged in has any span. */
  address(api, path, { member, past, now }) {
    const [from, to] = this.edges(now);
    if (!past && (!member || this.span === "24h")) return `${api}live/${path}track/`;
    return `${api}${path}track/?${new URLSearchParams({ from: iso(from), to: iso(past ? to + 43200 : to), points: POINTS })}`;
  }

  /** Take an answer of either address; null where there is none. */
  take(kind, body) {
    this.kind = kind;
    if (!body) this.points = [];
    else if (body.points) this.points = body.points.map((one) => ({ at: Date.parse(one.timestamp) / 1000, lat: one.latitude, lon: one.longitude, speed: one.speed ?? one.ground_speed, course: one.course ?? one.heading, altitude: one.altitude, source: one.source }));
    else this.points = body.at.map((at, place) => ({ at, lat: body.lat[place], lon: body.lon[place], speed: body.speed[place], course: body.course[place], altitude: body.altitude?.[place] }));
    const begin = this.edges(this.store.now())[0];
    if (this.span !== "24h") this.points = this.points.filter(({ at }) => at >= begin);
    this.more = body?.truncated ?? false;
  }

  get colouring() { return this.by || (this.kind === AIRCRAFT ? "altitude" : "speed"); }

  #colour(point) {
    const { dark } = this.store, text = (colour) => `rgb(${colour.join()})`;
    if (this.colouring === "day") return text(rgb(SERIES[Math.floor(point.at / 86400) % SERIES.length][dark ? 0 : 1]));
    if (this.colouring === "altitude") return Number.isFinite(point.altitude) ? text(altitudeColour(Math.round(point.altitude / 1000) * 1000, dark)) : null;
    return Number.isFinite(point.speed) ? text(this.#speedColour(point.speed)) : null;
  }

  #speedColour(knots) {
    const most = SPEEDS[SPEEDS.length - 1][0], of = Math.min(most, this.kind === AIRCRAFT ? knots / 20 : knots), level = (Math.round((of / most) * LEVELS) / LEVELS) * most;
    const next = Math.max(1, SPEEDS.findIndex(([limit]) => level <= limit)), [low, high] = [SPEEDS[next - 1], SPEEDS[next]], part = (level - low[0]) / (high[0] - low[0]), theme = this.store.dark ? 1 : 2;
    const to = rgb(high[theme]);
    return rgb(low[theme]).map((value, channel) => Math.round(value + (to[channel] - value) * part));
  }

  /** Lines by colour, cut at gaps and unrolled over the antimeridian, up to where the target is; and their points. */
  features(row, until = Infinity) {
    const lines = [], dots = [], { store } = this;
    this.shown = [];
    if (row < 0 || !this.points.length) return { lines, dots };
    const here = { at: store.heard[row], lat: store.lat[row], lon: store.lon[row], speed: store.speed[row], altitude: store.altitude[row] };
    const points = this.points.filter(({ at }) => at < until);
    let turn = 0, last = null, piece = null;
    for (const point of HOURS[this.span] ? [...points, here] : points) {
      if (last && Math.abs(point.lon - last.lon) > 180) turn += point.lon < last.lon ? 360 : -360;
      const colour = this.#colour(point), place = [point.lon + turn, point.lat], gap = last && point.at - last.at > GAP_SECONDS[this.kind];
      if (!piece || gap || piece.properties.colour !== colour) {
        const joint = piece && !gap ? [piece.geometry.coordinates[piece.geometry.coordinates.length - 1]] : [];
        lines.push((piece = { type: "Feature", properties: { colour }, geometry: { type: "LineString", coordinates: [...joint, place] } }));
      } else piece.geometry.coordinates.push(place);
      if (point !== here) { this.shown.push(point); dots.push({ type: "Feature", properties: { colour }, geometry: { type: "Point", coordinates: place } }); }
      last = point;
    }
    return { lines: lines.filter(({ geometry }) => geometry.coordinates.length > 1), dots };
  }

  /** The nearest shown point within `reach` Mercator units, null for none. */
  nearest(lon, lat, reach) {
    const x = mercatorX(lon), y = mercatorY(lat);
    let best = null, least = reach * reach;
    for (const point of this.shown ?? []) {
      const dx = mercatorX(point.lon) - x, far = (dx - Math.round(dx)) ** 2 + (mercatorY(point.lat) - y) ** 2;
      if (far < least) { least = far; best = point; }
    }
    return best;
  }

  /** What a point tells. */
  told(point) {
    const values = [speed(point.speed), this.kind === AIRCRAFT ? altitude(point.altitude) : course(point.course), point.source].filter((word) => word && word !== "–");
    return html`<b>${moment(point.at)} <small>UTC</small></b><span>${values.join(" · ")}</span>`;
  }

  /** Colour and span, and what the colours mean. `changed(asksAgain)` is called where they are chosen. */
  controls(member, changed) {
    const options = ["speed", ...(this.kind === AIRCRAFT ? ["altitude"] : []), "day"], other = !HOURS[this.span];
    const [from, to] = other ? this.edges(0).map((edge) => iso(edge).slice(0, 16)) : [];
    const type = (place) => (event) => { const parts = this.span.split("_"); if (event.target.value) parts[place] = `${event.target.value}:00Z`; this.span = parts.join("_"); changed(true); };
    return html`<section class="trail"><h3>Track</h3><p>
      <label>Colour<select @change=${(event) => { this.by = event.target.value; changed(false); }}>${options.map((name) => html`<option value=${name} ?selected=${name === this.colouring}>${name}</option>`)}</select></label>
      ${member ? html`<label>Span<select @change=${(event) => { const now = this.store.now(); this.span = event.target.value === "other" ? `${iso(now - 86400).slice(0, 16)}:00Z_${iso(now).slice(0, 16)}:00Z` : event.target.value; changed(true); }}>${Object.entries(WORDS).map(([name, word]) => html`<option value=${name} ?selected=${name === this.span || (other && name === "other")}>${word}</option>`)}</select></label>` : nothing}</p>
      ${other ? html`<p><label>From, UTC<input type="datetime-local" .value=${from} @change=${type(0)}></label><label>To, UTC<input type="datetime-local" .value=${to} @change=${type(1)}></label></p>` : nothing}
      ${this.#scale()}<small>${this.points.length ? `${this.points.length} points${this.more ? ", not all" : ""}: point at one for its values` : "No points in this span"}</small></section>`;
  }

  #scale() {
    if (this.colouring === "day") return nothing;
    const air = this.kind === AIRCRAFT, stops = this.colouring === "speed" ? SPEEDS.map(([knots]) => (air ? knots * 20 : knots)) : [0, 2000, 10000, 20000, 30000, 40000];
    const colour = (value) => (this.colouring === "speed" ? this.#speedColour(value) : altitudeColour(value, this.store.dark)).join();
    return html`<svg class="ramp" viewBox="0 0 ${stops.length * 50} 24" role="img" aria-label="Scale of the track">${stops.map((value, place) => ramp(place, `rgb(${colour(value)})`, this.colouring === "speed" ? speed(value).replace(/\.0/, "") : altitude(value)))}</svg>`;
  }
}

const ramp = (place, fill, word) => svg`<rect x=${place * 50} y="0" width="49" height="6" fill=${fill}></rect><text x=${place * 50} y="19">${word}</text>`;
