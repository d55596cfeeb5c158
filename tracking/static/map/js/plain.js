// Where nothing can be drawn: the world as a list, with the search, the card and the numbers.

import { html, render } from "../vendor/lit-html-3.3.3/lit-html.js";
import * as address from "./address.js";
import { Card } from "./card.js";
import { Feed } from "./feed.js";
import { age, clock, whole } from "./format.js";
import { KINDS, SHAPES } from "./kinds.js";
import { List } from "./list.js";
import { Store } from "./store.js";

const WORLD = [-180, -90, 180, 90], ZOOM = 7; // the zoom says how often news is asked for
const $ = (id) => document.getElementById(id);
const { changes, api, admin } = $("map").dataset;
const begun = address.read(), store = new Store();
let chosen = begun.sel ?? "", hidden = new Set(), live = null;

store.passes = (row) => !hidden.has(KINDS[store.kind[row]]);
const wanted = () => $("q").value.trim().toLowerCase();
const matches = (row) => !wanted() || store.name[row].toLowerCase().includes(wanted()) || store.id[row].includes(wanted());
const actions = {
  chosen: () => store.row(chosen), choose, hover() {}, relist, close: () => choose(-1), drawn: false,
  adminOf: (row) => `${admin}tracking/${KINDS[store.kind[row]]}/${encodeURIComponent(store.id[row])}/change/`,
};
const list = new List($("list"), store, actions), card = new Card($("card"), store, actions);

async function choose(row) {
  chosen = row < 0 ? "" : KINDS[store.kind[row]][0] + store.id[row];
  live = null;
  drawCard(); list.draw();
  if (row < 0) return;
  const key = chosen, path = `${["vessels", "aircraft", "stations"][store.kind[row]]}/${store.id[row].split("/").map(encodeURIComponent).join("/")}/`;
  try {
    const response = await fetch(`${api}live/${path}`, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(15000) });
    if (response.ok && key === chosen) live = await response.json();
  } catch { return; } // the card shows what the list has
  drawCard();
}
function drawCard() { card.draw(store.row(chosen), { live, known: live }); }
function relist() {
  const rows = store.within(WORLD).filter(matches);
  $("inview").textContent = `${whole(rows.length)} live`; document.title = `${whole(rows.length)} · Tracking`;
  list.show(rows);
}
function drawKinds() {
  const words = ["Ships", "Aircraft", "Stations"], shapes = ["cargo", "jet", "base"];
  render(KINDS.map((kind, number) => html`<button aria-pressed=${!hidden.has(kind)} @click=${() => { if (!hidden.delete(kind)) hidden.add(kind); store.rewrite(); drawKinds(); relist(); }}><svg viewBox="0 0 100 100" aria-hidden="true"><path d=${SHAPES[shapes[number]]}></path></svg><span>${words[number]}</span><b>${whole(store.totals[kind] ?? 0)}</b></button>`), $("kinds"));
}
function drawHealth() {
  const { seconds, late, problem, begun: heard } = feed.state();
  $("state").dataset.state = late ? (heard ? "late" : "begin") : "live";
  render(html`<i></i><span>${late ? (heard ? `No news for ${age(seconds)}${problem ? `: ${problem}` : ""}` : problem || "Connecting") : "Live"}</span>`, $("state"));
  render(html`${clock(store.now())} <small>UTC</small>`, $("clock"));
}
const feed = new Feed(changes, {
  view: () => WORLD, zoom: () => ZOOM,
  take(body) { store.apply(body); store.sweep(); drawKinds(); relist(); drawCard(); },
  told: drawHealth,
});

document.documentElement.dataset.theme = begun.theme ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
document.body.classList.add("plain");
render(html`<p>This browser has no WebGL 2, so there is no map. The list, the search and the cards work.</p>`, $("map"));
$("q").addEventListener("input", relist);
$("b-list").addEventListener("click", () => { $("side").classList.toggle("open"); relist(); });
document.addEventListener("visibilitychange", () => { if (!document.hidden) feed.ask(); });
drawKinds(); drawHealth(); setInterval(drawHealth, 1000); setInterval(relist, 2000);
feed.ask();
