// The feeds: which are silent and since when, where the map is blind by that, how far they hear, what the clocks of
// their stations are worth, and two of them compared.

import { html, nothing } from "../../vendor/lit-html-3.3.3/lit-html.js";
import { age, clock, day, distance, whole } from "../format.js";
import { KINDS, rgb } from "../kinds.js";

const ASK_MS = 15000;
const WORDS = { ok: "heard", silent: "silent", failing: "failing", off: "off", stale_clock: "wrong clock" };
// Only the first, only the second, both: told apart by lightness too. Dark, light.
const TINTS = { only_a: ["#ffa62b", "#b45309"], only_b: ["#4cc9f0", "#0369a1"], both: ["#f4f8fc", "#0c1726"], neither: ["#46566b", "#b3bfcb"] };

export class Feeds {
  /** `got` asks for an address, `told` when there is news, `compared` when colours change, `show` a box of the map; `reach` has the outlines. */
  constructor(api, store, { got, told, compared, show, reach }) { Object.assign(this, { api, store, got, told, compared, show, reach, feeds: [], cell: 1, a: "", b: "", parts: null, problem: "" }); }

  async ask() {
    clearTimeout(this.waiting);
    if (!document.hidden) {
      const body = await this.got(`${this.api}live/feeds/`);
      this.asked = true;
      this.problem = body.refused === undefined ? "" : body.refused === 503 ? "The health of feeds is not known now" : body.refused === 401 ? "Log in again" : "No answer";
      if (!this.problem) Object.assign(this, { feeds: body.feeds.sort((one, other) => one.well - other.well || one.feed.localeCompare(other.feed)), cell: body.cell });
      this.reach.renew(this.feeds);
      if (this.a && this.b) await this.#compare();
      this.told();
    }
    this.waiting = setTimeout(() => this.ask(), ASK_MS);
  }

  get ill() { return this.feeds.filter(({ well }) => !well); }

  /** Where nobody hears anything since a feed fell silent. */
  blind() {
    const square = ([west, south]) => [[[west, south], [west + this.cell, south], [west + this.cell, south + this.cell], [west, south + this.cell], [west, south]]];
    return { type: "FeatureCollection", features: this.ill.flatMap(({ feed, blind }) => (blind ?? []).map((cell) => ({ type: "Feature", properties: { feed }, geometry: { type: "Polygon", coordinates: square(cell) } }))) };
  }

  /** Which silent feeds a place was heard by. */
  blindAt(lon, lat) { return this.ill.filter(({ blind }) => blind?.some(([west, south]) => lon >= west && lon < west + this.cell && lat >= south && lat < south + this.cell)); }

  choose(a, b) { Object.assign(this, { a, b, parts: null }); this.compared(); return a && b && a !== b ? this.#compare().then(() => this.told()) : Promise.resolve(); }
  async #compare() {
    const { a, b } = this, body = await this.got(`${this.api}live/receivers/?${new URLSearchParams({ a, b })}`);
    if (a !== this.a || b !== this.b || body.refused !== undefined) return;
    this.parts = new Map(["only_a", "only_b", "both"].flatMap((part) => body[part].map((key) => [key, part])));
    this.compared();
  }

  /** The colour of a target while two feeds are compared, else null. */
  tint(row) { return this.parts ? rgb(TINTS[this.parts.get(KINDS[this.store.kind[row]][0] + this.store.id[row]) ?? "neither"][this.store.dark ? 0 : 1]) : null; }

  #count(part) {
    const { store } = this;
    let found = 0;
    for (let row = 0; row < store.count; row++) if (store.live[row] && (this.parts.get(KINDS[store.kind[row]][0] + store.id[row]) ?? "neither") === part) found++;
    return found;
  }

  draw() {
    const now = this.store.now(), names = this.feeds.map(({ feed }) => feed);
    const select = (word, value, act) => html`<label>${word}<select @change=${(event) => act(event.target.value)}><option value="">none</option>${names.map((name) => html`<option ?selected=${name === value}>${name}</option>`)}</select></label>`;
    return html`${this.problem ? html`<p class="missing">${this.problem}</p>` : nothing}
      <ul class="feeds">${this.feeds.map((one) => this.#line(one, now))}</ul>
      ${this.feeds.length ? nothing : html`<p>${this.asked ? "No feed was heard of within a day." : "Asking for the feeds"}</p>`}
      ${this.reach.on.size ? html`<small>Lines are the furthest positions of a day by bearing; 95 of 100 are within what is filled.</small>` : nothing}
      <h3>Compare two feeds</h3>
      <p class="pair">${select("First", this.a, (name) => this.choose(name, this.b))}${select("Second", this.b, (name) => this.choose(this.a, name))}</p>
      ${this.parts ? this.#parts() : html`<small>Colours targets by who has heard them within 20 minutes, whoever won.</small>`}`;
  }

  async #outline(feed) {
    if (await this.reach.toggle(feed)) this.show(this.reach.box());
  }

  #line({ feed, state, well, since, targets, blind, clocks, reach }, now) {
    const places = blind?.length, shown = this.reach.on.has(feed), drawn = this.reach.of(feed), said = clocksSaid(clocks);
    return html`<li data-state=${state}><i></i><span><b>${feed}</b><small>${WORDS[state] ?? state}${well ? `, ${whole(targets)} targets` : since ? ` since ${clock(since).slice(0, 5)} UTC, ${age(now - since)}` : ", never heard"}</small>
      ${well ? nothing : html`<small class="why">${blind === null ? "Where it was heard is not known now" : places ? "Hatched: nobody else hears there" : "Others hear where it was heard, or it was heard nowhere"}</small>`}
      ${said ? html`<small class="why">${said}</small>` : nothing}
      ${drawn ? html`<small class="reach">${this.#dot(this.reach.colour(feed, this.store.dark))}${day(drawn.day)}: up to ${distance(Math.max(...drawn.furthest))}</small>` : shown ? html`<small>Its outline is being asked for</small>` : nothing}</span>
      <span class="acts">${places ? html`<button @click=${() => this.show([Math.min(...blind.map(([west]) => west)), Math.min(...blind.map(([, south]) => south)), Math.max(...blind.map(([west]) => west)) + this.cell, Math.max(...blind.map(([, south]) => south)) + this.cell])}>Show</button>` : nothing}
      ${reach || shown ? html`<button aria-pressed=${shown} aria-label="Reach of ${feed}" title="How far it hears by bearing" @click=${() => this.#outline(feed)}>Reach</button>` : nothing}</span></li>`;
  }

  #dot(colour) { return html`<svg viewBox="0 0 10 10" aria-hidden="true"><circle cx="5" cy="5" r="4.5" fill=${colour}></circle></svg>`; }

  #parts() {
    const theme = this.store.dark ? 0 : 1, words = { only_a: `only ${this.a}`, only_b: `only ${this.b}`, both: "both", neither: "neither" };
    return html`<dl class="parts">${Object.entries(words).map(([part, word]) => html`<div><dt>${this.#dot(TINTS[part][theme])}${word}</dt><dd>${whole(this.#count(part))}</dd></div>`)}</dl>
      <button @click=${() => this.choose("", "")}>End comparing</button>`;
  }
}

/** What is wrong with the clocks of a feed's stations; nothing where all are right, or none was judged. */
export function clocksSaid(clocks) {
  if (!clocks?.corrected && !clocks?.disbelieved) return "";
  const { stations, corrected, ahead, disbelieved } = clocks, off = `${age(Math.abs(ahead))} ${ahead < 0 ? "behind" : "ahead"}`;
  if (stations === 1) return corrected ? `Clock ${off}, corrected` : "Clock not believed, arrival counts";
  const parts = [corrected && `${corrected} corrected, up to ${off}`, disbelieved && `${disbelieved} not believed, arrival counts`];
  return `Clocks of ${stations} stations: ${parts.filter(Boolean).join("; ")}`;
}

/** The hatching of what nobody hears, as a picture of the map. */
export function hatch() {
  const size = 16, data = new Uint8Array(size * size * 4);
  for (let y = 0; y < size; y++) for (let x = 0; x < size; x++) if ((x + y) % 8 < 2) data.set([251, 171, 36, 150], (y * size + x) * 4);
  return { width: size, height: size, data };
}
