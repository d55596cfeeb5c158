// The list of what is in view. It holds still while the pointer is over it: values change, the order does not.

import { html, nothing, render } from "../vendor/lit-html-3.3.3/lit-html.js";
import { age, altitude, course, speed } from "./format.js";
import { AIRCRAFT, CATEGORIES, SHAPES, STATION, VESSEL, typeWord } from "./kinds.js";

const ROWS = 150;
const SORTS = {
  name: (store) => (a, b) => (store.name[a] || "~").localeCompare(store.name[b] || "~") || store.id[a].localeCompare(store.id[b]),
  speed: (store) => (a, b) => (store.speed[b] || -1) - (store.speed[a] || -1),
  altitude: (store) => (a, b) => (store.altitude[b] || -1) - (store.altitude[a] || -1),
  age: (store) => (a, b) => store.heard[b] - store.heard[a],
};
const NAMES = Object.keys(SHAPES);

/** The target's own shape, turned and coloured. */
export function glyph(store, row) {
  const angle = store.kind[row] === STATION ? 0 : Number.isFinite(store.heading[row]) ? store.heading[row] : store.course[row] || 0;
  return html`<svg class="glyph" viewBox="0 0 100 100" aria-hidden="true"><path fill="rgb(${store.colour(row).join()})" transform="rotate(${Math.round(angle)} 50 50)" d=${SHAPES[NAMES[store.shape(row)]]}></path></svg>`;
}

export const titleOf = (store, row) => store.name[row] || store.id[row].toUpperCase();
export function kindWord(store, row) {
  if (store.kind[row] === VESSEL) return typeWord(store.type[row]) ?? "Ship";
  if (store.kind[row] === AIRCRAFT) return store.type[row] ? `Aircraft · ${store.type[row]}` : "Aircraft";
  return store.type[row] === "base" ? "Base station" : "Aid to navigation";
}

export class List {
  constructor(root, store, actions) {
    Object.assign(this, { root, store, actions, sort: localStorage.getItem("sort") ?? "name", order: [], held: false });
    root.addEventListener("pointerenter", () => { this.held = true; });
    root.addEventListener("pointerleave", () => { this.held = false; });
  }

  show(rows) {
    const here = new Set(rows);
    const sorted = [...rows].sort(SORTS[this.sort](this.store)), first = rows.filter((row) => this.store.alarm[row]);
    this.order = this.held ? [...this.order.filter((row) => here.has(row)), ...sorted.filter((row) => !this.order.includes(row))].slice(0, ROWS) : [...first, ...sorted.filter((row) => !this.store.alarm[row])].slice(0, ROWS);
    this.total = rows.length;
    this.draw();
  }

  draw() {
    const { store, actions } = this, now = store.now();
    const head = (key, word) => html`<button class="sort" aria-pressed=${this.sort === key} @click=${() => { this.sort = key; localStorage.setItem("sort", key); this.held = false; actions.relist(); }}>${word}</button>`;
    const line = (row) => {
      const air = store.kind[row] === AIRCRAFT, fixed = store.kind[row] === STATION;
      return html`<li><button class="row" aria-current=${row === actions.chosen() ? "true" : nothing} ?data-alarm=${store.alarm[row]} @click=${() => actions.choose(row)} @pointerenter=${() => actions.hover(row)} @pointerleave=${() => actions.hover(-1)}>
        ${glyph(store, row)}<span class="who"><b>${titleOf(store, row)}</b><small>${store.alarm[row] ?? kindWord(store, row)}</small></span>
        <span class="figures">${fixed ? nothing : html`<b>${speed(store.speed[row])}</b><small>${air ? (store.ground[row] ? "on ground" : altitude(store.altitude[row])) : course(store.course[row])}</small>`}</span>
        <span class="age">${age(now - store.heard[row])}</span></button></li>`;
    };
    render(html`<div class="sorts" role="group" aria-label="Order of the list">${head("name", "Name")}${head("speed", "Speed")}${head("altitude", "Altitude")}${head("age", "Heard")}</div>
      <ol>${this.order.filter((row) => store.live[row]).map(line)}</ol>
      ${this.total > ROWS ? html`<p class="more">${this.total - ROWS} more: zoom in, or search</p>` : nothing}
      ${this.total ? nothing : html`<p class="more">Nothing that your filters show is in view</p>`}`, this.root);
  }
}

/** Buttons of the legend, which are filters too. */
export function legend(root, store, filters, toggle) {
  const theme = store.dark ? 2 : 3;
  render(html`${CATEGORIES.map(([id, word, ...colours]) => html`<button aria-pressed=${!filters.hidden.has(id)} title="Show or hide: ${word}" @click=${() => toggle(id)}><svg viewBox="0 0 100 100" aria-hidden="true"><path fill=${colours[theme - 2]} d=${SHAPES[id]}></path></svg>${word}</button>`)}`, root);
}
