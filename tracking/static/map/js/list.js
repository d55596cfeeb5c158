// The list of what is in view. It holds still while the pointer is over it: values change, the order does not.
// Only rows that can be seen, and some before and behind them, are in the document; for the rest there is room.

import { html, nothing, render } from "../vendor/lit-html-3.3.3/lit-html.js";
import { age, altitude, course, speed } from "./format.js";
import { AIRCRAFT, CATEGORIES, SHAPES, STATION, VESSEL, typeWord } from "./kinds.js";

const ROWS = 150;
const BLOCK = 10; // rows that come and go together: so a row that has the focus keeps its element while it is there
const { compare } = new Intl.Collator();

/** The highest first, or by `turn` -1 the lowest; what is not known is last either way. */
function falling(column) {
  return (store, turn) => (a, b) => {
    const one = store[column][a], other = store[column][b];
    return Number.isFinite(other) - Number.isFinite(one) || turn * (other - one) || 0;
  };
}
const SORTS = {
  name: (store, turn) => (a, b) => !store.name[a] - !store.name[b] || turn * (compare(store.name[a], store.name[b]) || compare(store.id[a], store.id[b])),
  speed: falling("speed"), altitude: falling("altitude"), age: falling("heard"),
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
    Object.assign(this, { root, store, actions, order: [], held: false, near: "", rowPixels: 44 });
    [this.sort, this.turned] = (localStorage.getItem("sort") ?? "name").split(" ");
    root.addEventListener("pointerenter", () => { this.held = true; });
    root.addEventListener("pointerleave", () => { this.held = false; });
    root.addEventListener("scroll", () => { if (this.#near(this.order.length).join() !== this.near) this.draw(); }, { passive: true });
  }

  /** The first and the last block of so many rows that is drawn: what the window could show, and one more at each end. */
  #near(rows) {
    const block = BLOCK * this.rowPixels, top = Math.max(0, Math.min(this.root.scrollTop, rows * this.rowPixels - innerHeight));
    return [Math.floor(top / block) - 1, Math.floor((top + innerHeight) / block) + 1];
  }

  show(rows) {
    const here = new Set(rows);
    const sorted = [...rows].sort(SORTS[this.sort](this.store, this.turned ? -1 : 1)), first = rows.filter((row) => this.store.alarm[row]);
    this.order = this.held ? [...this.order.filter((row) => here.has(row)), ...sorted.filter((row) => !this.order.includes(row))].slice(0, ROWS) : [...first, ...sorted.filter((row) => !this.store.alarm[row])].slice(0, ROWS);
    this.total = rows.length;
    this.draw();
  }

  /** By a column, or the other way round when it is that already. */
  #sortBy(key) {
    this.turned = this.sort === key && !this.turned ? "turned" : "";
    this.sort = key; this.held = false;
    localStorage.setItem("sort", `${key} ${this.turned}`.trim());
    this.actions.relist();
  }

  draw() {
    const { store, actions, root } = this, now = store.now(), rows = this.order.filter((row) => store.live[row]);
    this.rowPixels = root.querySelector(".row")?.offsetHeight || this.rowPixels;
    const [first, last] = this.#near(rows.length), focused = Math.floor(((root.querySelector("li:focus-within")?.ariaPosInSet ?? 0) - 1) / BLOCK);
    this.near = [first, last].join();
    const head = (key, word) => html`<button class="sort" aria-pressed=${this.sort === key} ?data-rises=${(key === "name") !== Boolean(this.turned)} title="By ${word.toLowerCase()}; again: the other way round" @click=${() => this.#sortBy(key)}>${word}</button>`;
    const line = (row, place) => {
      const air = store.kind[row] === AIRCRAFT, fixed = store.kind[row] === STATION;
      return html`<li aria-posinset=${place + 1} aria-setsize=${rows.length}><button class="row" aria-current=${row === actions.chosen() ? "true" : nothing} ?data-alarm=${store.alarm[row]} @click=${() => actions.choose(row)} @pointerenter=${() => actions.hover(row)} @pointerleave=${() => actions.hover(-1)}>
        ${glyph(store, row)}<span class="who"><b>${titleOf(store, row)}</b><small>${store.alarm[row] ?? kindWord(store, row)}</small></span>
        <span class="figures">${fixed ? nothing : html`<b>${speed(store.speed[row])}</b><small>${air ? (store.ground[row] ? "on ground" : altitude(store.altitude[row])) : course(store.course[row])}</small>`}</span>
        <span class="age">${age(now - store.heard[row])}</span></button></li>`;
    };
    const blocks = Array.from({ length: Math.ceil(rows.length / BLOCK) }, (_, block) => {
      const some = rows.slice(block * BLOCK, (block + 1) * BLOCK), drawn = (first <= block && block <= last) || block === focused;
      return drawn ? some.map((row, place) => line(row, block * BLOCK + place)) : html`<li aria-hidden="true" .style=${`height: ${some.length * this.rowPixels}px`}></li>`;
    });
    render(html`<div class="sorts" role="group" aria-label="Order of the list">${head("name", "Name")}${head("speed", "Speed")}${head("altitude", "Altitude")}${head("age", "Heard")}</div>
      <ol>${blocks}</ol>
      ${this.total > ROWS ? html`<p class="more">${this.total - ROWS} more: zoom in, or search</p>` : nothing}
      ${this.total ? nothing : html`<p class="more">${actions.waiting?.() ? "Asking for targets" : "Nothing that your filters show is in view"}</p>`}`, this.root);
  }
}

/** Buttons of the legend, which are filters too. */
export function legend(root, store, filters, toggle) {
  const theme = store.dark ? 2 : 3;
  render(html`${CATEGORIES.map(([id, word, ...colours]) => html`<button aria-pressed=${!filters.hidden.has(id)} title="Show or hide: ${word}" @click=${() => toggle(id)}><svg viewBox="0 0 100 100" aria-hidden="true"><path fill=${colours[theme - 2]} d=${SHAPES[id]}></path></svg>${word}</button>`)}`, root);
}
