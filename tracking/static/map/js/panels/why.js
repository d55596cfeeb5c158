// Why a target is not on the map: what every part of the way says of its reports.

import { html, nothing } from "../../vendor/lit-html-3.3.3/lit-html.js";
import { clean } from "../format.js";

const DIGITS = /^\d{5,9}$/, ICAO = /^~?[0-9a-f]{6}$/;

/** The key on the map (v or a, and the identity) that a text names, null where it is none. */
export function keyOf(text) {
  const wanted = text.trim().toLowerCase();
  return DIGITS.test(wanted) && wanted.length !== 6 ? `v${+wanted}` : ICAO.test(wanted) ? `a${wanted}` : null;
}

export class Why {
  constructor(api, { got, told }) { Object.assign(this, { api, got, told, key: "", body: null, problem: "" }); }

  async ask(key) {
    Object.assign(this, { key, body: null, problem: "" }); this.told();
    const body = await this.got(`${this.api}${key[0] === "v" ? "vessels" : "aircraft"}/${encodeURIComponent(key.slice(1))}/why/`);
    if (key !== this.key) return;
    if (body.refused === undefined) this.body = body;
    else this.problem = body.refused === 503 ? "The database is away" : body.refused === 404 ? "That is no identity" : "It cannot be looked up now";
    this.told();
  }

  get title() { return `${this.body?.live ? "Where it comes from" : "Why is it not here?"} ${this.key.slice(1).toUpperCase()}`; }

  draw() {
    if (!this.body) return html`<p>${this.problem || "Looking it up"}</p>`;
    return html`<ul class="findings">${this.body.findings.map(({ title, state, text, link }) => html`<li data-state=${state}><i></i><span><b>${title}</b><span>${clean(text)}</span>${link ? html`<a href=${link}>in the admin</a>` : nothing}</span></li>`)}</ul>`;
  }
}
