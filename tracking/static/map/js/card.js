// The card of the chosen target: every value with its age and its feed, and what the tables know of it.

import { html, nothing, render } from "../vendor/lit-html-3.3.3/lit-html.js";
import { age, altitude, clean, climb, course, place, speed } from "./format.js";
import { AIRCRAFT, STATION, VESSEL, statusWord, typeWord } from "./kinds.js";
import { glyph, kindWord, titleOf } from "./list.js";
import { MOVED_ON_SECONDS } from "./store.js";

const OLD_SECONDS = 600;
const WIDTH = 300, HEIGHT = 44;

export class Card {
  constructor(root, store, actions) { Object.assign(this, { root, store, actions }); }

  /** `live` is the target's document, `known` its row in the tables, each null until it came; `trail` has its points. */
  draw(row, { live, known, trail, controls, missing } = {}) {
    this.root.hidden = row < 0;
    if (row < 0) return;
    const { store, actions } = this, kind = store.kind[row], now = store.now(), heard = now - store.heard[row];
    const estimated = !store.clock && kind !== STATION && (store.vx[row] || store.vy[row]) && heard > 10;
    render(html`<header>${glyph(store, row)}<span><h2>${titleOf(store, row)}</h2><small>${kindWord(store, row)} · ${store.id[row].toUpperCase()}</small></span>
        <button class="icon" title="Close (Esc)" aria-label="Close" @click=${() => actions.close()}>×</button></header>
      ${store.alarm[row] ? html`<p class="alarm">${store.alarm[row]}</p>` : nothing}
      ${actions.drawn === false ? nothing : html`<p class="buttons">${this.#button("Follow", "f", actions.following(), actions.follow)}${this.#button("Track", "t", actions.tracking(), actions.track)}${this.#button("Copy link", "c", false, actions.copy)}</p>`}
      <dl class="figures">${kind === STATION ? nothing : html`<div><dt>Speed</dt><dd>${speed(store.speed[row])}</dd></div>
        ${kind === AIRCRAFT ? html`<div><dt>Altitude</dt><dd>${store.ground[row] ? "on ground" : altitude(store.altitude[row])}</dd></div><div><dt>Track</dt><dd>${course(store.heading[row])}</dd></div><div><dt>Climb</dt><dd>${climb(store.climb[row])}</dd></div>`
          : html`<div><dt>Course</dt><dd>${course(store.course[row])}</dd></div><div><dt>Heading</dt><dd>${course(store.heading[row])}</dd></div><div><dt>Heard</dt><dd>${age(heard)} ago</dd></div>`}`}</dl>
      ${estimated ? html`<p class="estimate">${heard > MOVED_ON_SECONDS[kind] ? "Drawn where it was last expected" : "Drawn where it should be now"}: heard ${age(heard)} ago.</p>` : nothing}
      ${this.#sparkline(row, trail?.points)}
      ${controls ?? nothing}
      ${this.#table("Position", this.#position(row, live, now))}
      ${this.#table(kind === AIRCRAFT ? "Aircraft" : "Voyage and ship", this.#static(kind, known ?? (live?.register || live?.country ? {} : null), live ?? known))}
      ${missing ? html`<p class="missing">${missing}</p>` : nothing}
      <p class="links"><a href=${actions.adminOf(row)}>In the admin</a>${actions.member && kind !== STATION ? html`<button title="Where its reports come from and go (w)" @click=${() => actions.why()}>Where it comes from</button>` : nothing}</p>`, this.root);
  }

  #button(word, key, on, act) { return html`<button aria-pressed=${on} title="${word} (${key})" @click=${act}>${word}</button>`; }

  #table(title, rows) {
    const told = rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
    return told.length ? html`<section><h3>${title}</h3><table>${told.map(([name, value, seconds, feed]) => html`<tr><th scope="row">${name}</th><td>${value}</td><td class=${seconds > OLD_SECONDS ? "old" : ""}>${seconds === undefined ? "" : age(seconds)}</td><td>${feed ?? ""}</td></tr>`)}</table></section>` : nothing;
  }

  #position(row, live, now) {
    const { store } = this, document = live ?? {}, feed = document.source ?? store.source[row];
    const old = (name) => now - (document.ages?.[name] ?? document.ts ?? store.heard[row]);
    return [
      ["Place", place(store.lat[row], store.lon[row]), now - store.heard[row], feed],
      ["Status", statusWord(store.status[row]), old("status"), feed],
      ["Squawk", document.squawk, undefined, undefined],
      ["Speed", Number.isFinite(store.speed[row]) ? speed(store.speed[row]) : null, old(store.kind[row] === AIRCRAFT ? "ground_speed" : "speed"), feed],
      ["Heading", Number.isFinite(store.heading[row]) ? course(store.heading[row]) : null, old("heading"), feed],
      ["Altitude", Number.isFinite(store.altitude[row]) ? altitude(store.altitude[row]) : null, old("altitude"), feed],
      ["Heard by", document.heard_by?.length > 1 ? document.heard_by.map(clean).join(", ") : null],
      ["Trust of the feed", document.score ? `${document.score} of 100` : null],
    ];
  }

  #static(kind, known, told) {
    if (!known) return [];
    const metres = (a, b) => (a || b ? `${(a ?? 0) + (b ?? 0)} m` : null);
    const when = known.static_at ? this.store.now() - Date.parse(known.static_at) / 1000 : undefined;
    const row = (name, value) => [name, value ? clean(value) : null, when];
    const listed = told?.register ?? {}, either = (heard, said) => (heard ? row("", heard).slice(1) : [said ? clean(said) : null, undefined, "register"]);
    if (kind === AIRCRAFT) return [
      row("Call sign", known.callsign), ["Registration", ...either(known.registration, listed.registration)], ["Type", ...either(known.type_code, listed.type_code)],
      ["Operator", ...either(null, listed.operator)], ["Military", listed.military ? "yes" : null, undefined, "register"], ["Country", told?.country],
      row("Category", known.category), row("Squawk", known.squawk),
    ];
    return [
      row("Call sign", known.callsign), row("IMO", known.imo), row("Type", kind === VESSEL ? typeWord(known.ship_type) : null), row("Flag", known.flag),
      row("Destination", known.destination), row("ETA", known.eta?.slice(0, 16).replace("T", " ")), row("Draught", known.draught ? `${known.draught} m` : null),
      row("Length", metres(known.to_bow, known.to_stern)), row("Beam", metres(known.to_port, known.to_starboard)),
    ];
  }

  /** Altitude of an aircraft, speed of a ship, over its track, with the highest value. */
  #sparkline(row, track) {
    const air = this.store.kind[row] === AIRCRAFT, points = (track ?? []).filter((point) => Number.isFinite(air ? point.altitude : point.speed));
    if (points.length < 3) return nothing;
    const value = (point) => (air ? point.altitude : point.speed), most = Math.max(...points.map(value), 1);
    const [from, to] = [points[0].at, points[points.length - 1].at];
    const line = points.map((point) => `${(((point.at - from) / Math.max(1, to - from)) * WIDTH).toFixed(1)},${(HEIGHT - 2 - (Math.max(0, value(point)) / most) * (HEIGHT - 6)).toFixed(1)}`).join(" ");
    return html`<figure><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${air ? "Altitude" : "Speed"} over the track"><polyline points=${line}></polyline></svg>
      <figcaption>${air ? "Altitude" : "Speed"}, ${age(to - from)}, at most ${air ? altitude(most) : speed(most)}</figcaption></figure>`;
  }
}
