// The page: wires the map, the targets, the list, the card and the keyboard together.

import { Map as WorldMap } from "../vendor/maplibre-gl-6.17.0/maplibre-gl.mjs";
import { html, nothing, render } from "../vendor/lit-html-3.3.3/lit-html.js";
import * as address from "./address.js";
import { Card } from "./card.js";
import { Events } from "./events.js";
import { Feed } from "./feed.js";
import { age, altitude, clock, distance, moment, place, speed, units, whole } from "./format.js";
import { between, beyond, latitudeOf, longitudeOf, mercatorX, mercatorY } from "./geo.js";
import { AIRCRAFT, CATEGORIES, KINDS, SHAPES, STATION, VESSEL } from "./kinds.js";
import { Labels } from "./labels.js";
import { Layer } from "./layer.js";
import { List, glyph, kindWord, legend, titleOf } from "./list.js";
import { CHOSEN, HOVERED, Store } from "./store.js";
import { Feeds, hatch } from "./panels/feeds.js";
import { Reach } from "./panels/reach.js";
import { Why, keyOf } from "./panels/why.js";
import { Bar } from "./past/bar.js";
import { Replay } from "./past/replay.js";
import { Trail } from "./past/trail.js";
import { EMPTY, repaint, style } from "./style.js";

const $ = (id) => document.getElementById(id);
const { changes, tiles, api, admin, status, member } = $("map").dataset;
const begun = address.read();
const HOME = { center: [8, 30], zoom: 1.7 };
const AHEAD_SECONDS = [600, 120, 0];
const PHONE_PIXELS = 752, CARD_PIXELS = 352; // as in map.css
const RINGS_MILES = [10, 25, 50, 100, 200];

// --- what is shown ---------------------------------------------------------------------------------------------------
let theme = begun.theme ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
let chosen = begun.sel ?? "", hovered = -1, following = begun.follow === "1", tracking = begun.track !== "0";
let details = {}, measuring = null, rings = null;
const store = new Store(), trail = new Trail(store, { by: begun.by, span: begun.span });
const filters = { hidden: new Set((begun.hide ?? "").split(",").filter(Boolean)), moving: begun.moving === "1", slowest: +begun.slowest || 0, low: +begun.low || 0, high: +begun.high || 0, feed: begun.feed ?? "" };
units.name = begun.units ?? localStorage.getItem("units") ?? "nautical";

store.passes = (row) => {
  const kind = store.kind[row];
  if (filters.hidden.has(KINDS[kind])) return false;
  if (kind === VESSEL && filters.hidden.has(CATEGORIES[store.category[row]][0])) return false;
  if (filters.feed && store.source[row] !== filters.feed) return false;
  if (kind === STATION) return true;
  if (filters.moving && !(store.speed[row] > 0.5)) return false;
  if (filters.slowest && !(store.speed[row] >= filters.slowest)) return false;
  if (kind === AIRCRAFT && filters.low && !(store.altitude[row] >= filters.low)) return false;
  return !(kind === AIRCRAFT && filters.high && !(store.altitude[row] <= filters.high));
};
const numberOfFilters = () => filters.hidden.size + ["moving", "slowest", "low", "high", "feed"].filter((name) => filters[name]).length;

// --- the map and the canvases over it --------------------------------------------------------------------------------
const map = new WorldMap({
  container: "map", style: style(theme, tiles), minZoom: 1, maxZoom: 18, maxPitch: 0, fadeDuration: 0, attributionControl: false, dragRotate: false, pitchWithRotate: false, touchPitch: false,
  ...(begun.view ? { center: [begun.view.lon, begun.view.lat], zoom: begun.view.zoom } : HOME),
});
map.touchZoomRotate.disableRotation();
const layer = new Layer($("targets"), store), labels = new Labels($("labels"), store);
/** What lies over the map: boxes [left, top, right, bottom] in pixels of it. */
labels.over = () => {
  const stage = $("stage").getBoundingClientRect(), boxes = [...document.querySelectorAll(".tools, #panel, #replay")].map((one) => one.getBoundingClientRect());
  return boxes.filter(({ width }) => width).map((box) => [box.left - stage.left, box.top - stage.top, box.right - stage.left, box.bottom - stage.top]);
};
const bounds = () => { const box = map.getBounds(); return [box.getWest(), box.getSouth(), box.getEast(), box.getNorth()]; };
const eye = () => { const middle = map.getCenter(), [west, , east] = bounds(); return { lon: middle.lng, lat: middle.lat, zoom: map.getZoom(), west, east }; };

/** Mercator to pixels of the copy of the world that is nearest to the middle. */
function project(x, y) {
  const middle = map.getCenter(), size = 512 * 2 ** map.getZoom(), far = x - mercatorX(middle.lng), canvas = $("targets");
  return [(far - Math.round(far)) * size + canvas.clientWidth / 2, (y - mercatorY(middle.lat)) * size + canvas.clientHeight / 2];
}
function paint() { const view = eye(); labels.covered = document.body.classList.contains("carded") && innerWidth > PHONE_PIXELS ? CARD_PIXELS : 0; layer.draw(view); labels.draw(view, project, () => store.within(bounds())); }
let frame = 0;
function wake() { frame ||= requestAnimationFrame(() => { frame = 0; paint(); }); }
map.on("render", paint); // so both canvases move in one frame
const events = member === undefined ? null : new Events(map, `${api}events/recent/`, () => Boolean(measuring));

// While a pointer is down nothing moves the map: a jump ends the gesture before it is known to be one.
let held = false;
map.getCanvasContainer().addEventListener("pointerdown", () => { held = true; });
for (const name of ["pointerup", "pointercancel"]) addEventListener(name, () => { held = false; });

/** As many frames a second as the fastest target needs to move half a pixel, from 1 to 30. */
function pace() {
  const perMetre = (512 * 2 ** map.getZoom()) / 40075016.686;
  setTimeout(() => { if (!document.hidden) { if (following && !held && !map.isMoving()) keepUp(); wake(); } pace(); }, 1000 / Math.min(30, Math.max(1, 500 * perMetre * (replay.playing ? replay.rate : 1))));
}
function keepUp() { const row = store.row(chosen); if (row >= 0) { const [x, y] = store.drawn(row); map.jumpTo({ center: [longitudeOf(x), latitudeOf(y)] }); } }
function fit() { const ratio = Math.min(2, devicePixelRatio || 1); layer.resize(ratio); labels.resize(ratio); wake(); }
new ResizeObserver(fit).observe($("stage"));

// --- choosing --------------------------------------------------------------------------------------------------------
const actions = {
  chosen: () => store.row(chosen), waiting: () => (replay.on ? replay.waiting : !feed.state().begun), choose, hover, relist: () => listNow(),
  close: () => choose(-1), why: () => askWhy(chosen), member: member !== undefined, following: () => following, tracking: () => tracking,
  follow() { if (!chosen) return; following = !following; drawCard(); keep(); },
  track() { if (!chosen) return; tracking = !tracking; drawTrack(); drawCard(); keep(); },
  copy() { keep(); navigator.clipboard?.writeText(location.href); tell("The link is copied"); },
  adminOf: (row) => `${admin}tracking/${["vessel", "aircraft", "station"][store.kind[row]]}/${encodeURIComponent(store.id[row])}/change/`,
};
const list = new List($("list"), store, actions), card = new Card($("card"), store, actions);

function choose(row) {
  store.flag(store.row(chosen), CHOSEN, false);
  chosen = row < 0 ? "" : KINDS[store.kind[row]][0] + store.id[row];
  details = {}; trail.take(STATION, null); following = following && row >= 0;
  store.flag(row, CHOSEN, true);
  document.body.classList.toggle("carded", row >= 0);
  drawTrack(); drawCard(); list.draw(); keep(); wake();
  if (row < 0) return;
  $("side").classList.remove("open");
  const [x, y] = project(...store.drawn(row)), { clientWidth: width, clientHeight: height } = $("targets");
  const narrow = innerWidth <= PHONE_PIXELS;
  if (narrow || x < 60 || y < 60 || x > width - CARD_PIXELS - 40 || y > height - 60) map.easeTo({ center: [store.lon[row], store.lat[row]], offset: narrow ? [0, aboveSheet() - height / 2] : [-CARD_PIXELS / 2, 0], duration: 500 });
  fetchDetails(chosen);
}
/** On a phone, the middle between the buttons and the card, which is a sheet over the lower half: pixels from the top of the map. */
function aboveSheet() { const edge = (selector) => document.querySelector(selector).getBoundingClientRect(); return (edge(".tools").bottom + edge("#card").top) / 2 - edge("#stage").top; }
function hover(row) { if (row === hovered) return; store.flag(hovered, HOVERED, false); store.flag(row, HOVERED, true); hovered = row; labels.chosenAt = 0; wake(); }
function drawCard() { card.draw(store.row(chosen), { ...details, trail, controls: trail.kind === STATION ? nothing : trail.controls(member !== undefined, trailChanged) }); }

async function got(url) {
  try {
    const response = await fetch(url, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(15000) });
    return response.ok ? await response.json() : { refused: response.status };
  } catch { return { refused: 0 }; }
}
/** Where the API has a target; one that is shown beside another of its identity has its number behind it. */
function pathOf(key) {
  return `${{ v: "vessels", a: "aircraft", s: "stations" }[key[0]]}/${key.slice(1).split("/").map(encodeURIComponent).join("/")}/`;
}
/** The live document and the trail, which are as public as live state, and for members the row in the tables. */
async function fetchDetails(key) {
  const path = pathOf(key), none = { refused: 401 }, past = replay.on;
  const [document, , known] = await Promise.all([past ? none : got(`${api}live/${path}`), fetchTrail(key, path), member === undefined ? none : got(`${api}${path}`)]);
  if (key !== chosen || replay.on !== past) return;
  const found = document.refused === undefined ? document : null;
  details = { ...details, asked: true, missing: [known, details.trail].some((answer) => answer?.refused === 503) ? "The database is away: the track and the tables come back with it." : "" };
  Object.assign(details, { known: known.refused === undefined ? known : found, live: found ?? (past ? null : known.live ?? null) });
  drawTrack(); drawCard();
}
async function fetchTrail(key, path) {
  if (key[0] === "s") return trail.take(STATION, null);
  const answer = await got(trail.address(api, path, { member: member !== undefined, past: replay.on, now: store.now() }));
  if (key !== chosen) return;
  details.trail = answer; trail.take("vas".indexOf(key[0]), answer.refused === undefined ? answer : null);
  drawTrack(); drawCard();
}
function trailChanged(asks) {
  if (asks) fetchTrail(chosen, pathOf(chosen));
  drawTrack(); drawCard(); keep();
}
function drawTrack() {
  const row = store.row(chosen), { lines, dots } = trail.features(tracking ? row : -1, replay.on && row >= 0 ? store.heard[row] : Infinity);
  setData("trail", { type: "FeatureCollection", features: lines }); setData("points", { type: "FeatureCollection", features: dots });
  drawAhead(row);
}
function drawAhead(row) {
  const seconds = row >= 0 ? AHEAD_SECONDS[store.kind[row]] : 0;
  if (!seconds || !(store.vx[row] || store.vy[row])) return setData("ahead", EMPTY);
  const [x, y] = store.drawn(row), to = [longitudeOf(x + store.vx[row] * seconds), latitudeOf(y + store.vy[row] * seconds)];
  setData("ahead", lineOf([[longitudeOf(x), latitudeOf(y)], to]));
}
const lineOf = (coordinates) => ({ type: "Feature", properties: {}, geometry: { type: "LineString", coordinates } });
const setData = (name, data) => map.getSource(name)?.setData(data);

// --- from the server -------------------------------------------------------------------------------------------------
const feed = new Feed(changes, {
  view: bounds, zoom: () => map.getZoom(),
  take(body) {
    store.apply(body); store.sweep(); rechoose();
    drawKinds(); listSoon(); drawCard(); drawAhead(store.row(chosen)); wake();
  },
  told: drawHealth,
});
/** What was chosen, by a link or before the store was filled anew, is chosen again when it is there. */
function rechoose() {
  const row = chosen ? store.row(chosen) : -1;
  if (row < 0 || store.flags[row] & CHOSEN) return;
  if (details.asked) store.flag(row, CHOSEN, true); else { choose(row); details.asked = true; }
}

// --- panels: the feeds, and why something is not here ---------------------------------------------------------------
let panel = null; // which is open
const reach = new Reach(api, { got, told() { drawPanel(); setData("reach", reach.features(store.dark)); keep(); }, labels: (begun.reach ?? "").split(",").filter(Boolean) });
const feeds = new Feeds(api, store, {
  got, reach, told() { drawPanel(); drawNotice(); setData("blind", replay.on ? EMPTY : feeds.blind()); },
  compared() { store.rewrite(); drawPanel(); list.draw(); wake(); keep(); },
  show: ([west, south, east, north]) => map.fitBounds([[west, south], [east, north]], { padding: uncovered(), maxZoom: 9 }),
});
/** Pixels to keep clear of what lies over the map: the panel beside it or, on a phone, over its lower half. */
function uncovered() {
  const sheet = innerWidth <= PHONE_PIXELS, { offsetWidth: width, offsetHeight: height } = $("panel");
  return sheet ? { top: 75, right: 25, bottom: height + 15, left: 25 } : { top: 50, right: 60, bottom: 50, left: width + 35 };
}
store.tint = (row) => feeds.tint(row);
const why = new Why(api, { got, told: () => drawPanel() });
function setPanel(next) {
  const before = panel;
  panel = next; drawPanel();
  $("b-feeds").setAttribute("aria-pressed", panel === feeds);
  if (next && next !== before) $("panel").querySelector("button").focus();
}
function drawPanel() {
  $("panel").hidden = !panel;
  render(panel ? html`<header><h2>${panel === feeds ? "Feeds" : why.title}</h2><button class="icon" title="Close (Esc)" aria-label="Close" @click=${() => setPanel(null)}>×</button></header>${panel.draw()}` : nothing, $("panel"));
}
function askWhy(key) { if (member === undefined) return tell("This needs a log-in"); if (key[0] === "s") return; why.ask(key); setPanel(why); }
map.on("styleimagemissing", ({ id }) => { if (id === "hatch") map.addImage(id, hatch()); });

// --- the past --------------------------------------------------------------------------------------------------------
const replay = new Replay(api, store, {
  view: bounds, zoom: () => map.getZoom(), got,
  changed() { store.totals = store.counts(); rechoose(); drawKinds(); listSoon(); drawCard(); if (chosen) drawTrack(); wake(); },
  told() { bar.draw(); drawHealth(); },
  ended: () => setPast(null),
});
const bar = new Bar($("replay"), replay, { live: () => setPast(null), sought: (seconds) => { const playing = replay.playing; replay.start(seconds).then(() => { if (!playing) keep(); }); } });
/** To a moment, epoch seconds; null: to the present. */
function setPast(seconds) {
  if (seconds !== null && member === undefined) return tell("The past needs a log-in");
  if (seconds === null && !replay.on) return;
  document.body.classList.toggle("past", seconds !== null);
  $("b-replay").setAttribute("aria-pressed", seconds !== null);
  details = {};
  if (seconds === null) { replay.stop(); feed.resume(); }
  else { feed.pause(); replay.start(Math.min(seconds, Date.now() / 1000 - 10)).then(keep); }
  setData("blind", replay.on ? EMPTY : feeds.blind());
  events?.hide(replay.on);
  bar.draw(); drawHealth(); drawKinds(); drawCard(); keep(); listSoon(); wake();
}

map.on("load", () => { const seconds = Date.parse(begun.t) / 1000; if (Number.isFinite(seconds)) setPast(seconds); if (!replay.on) feed.ask(); feeds.choose(...(begun.cmp ?? "").split(",").concat("", "").slice(0, 2)); feeds.ask(); pace(); drawFoot(); });
document.addEventListener("visibilitychange", () => { if (!document.hidden) feed.ask(); });

// --- the page --------------------------------------------------------------------------------------------------------
function drawKinds() {
  const words = ["Ships", "Aircraft", "Stations"], shapes = ["cargo", "jet", "base"];
  render(KINDS.map((kind, number) => (kind === "station" && !store.totals.station ? nothing : html`<button aria-pressed=${!filters.hidden.has(kind)} title="${words[number]}: show or hide (${number + 1})" @click=${() => toggle(kind)}><svg viewBox="0 0 100 100" aria-hidden="true"><path d=${SHAPES[shapes[number]]}></path></svg><span>${words[number]}</span><b>${whole(store.totals[kind] ?? 0)}</b></button>`)), $("kinds"));
}
function drawHealth() {
  if (replay.on) {
    $("state").dataset.state = "past";
    render(html`<i></i><span>Replay${replay.playing ? ` ${replay.rate}×` : ""}</span>`, $("state"));
    return render(html`${moment(replay.now())} <small>UTC</small>`, $("clock"));
  }
  const { seconds, late, problem, begun: heard } = feed.state();
  $("state").dataset.state = late ? (heard ? "late" : "begin") : "live";
  render(html`<i></i><span>${late ? (heard ? `No news for ${age(seconds)}${problem ? `: ${problem}` : ""}` : problem || "Connecting") : "Live"}</span>`, $("state"));
  render(html`${clock(store.now())} <small>UTC</small>`, $("clock"));
}
let servers = null;
async function watchServers() {
  const told = document.hidden ? null : await got(`${status}?format=json`);
  if (told && !told.refused) servers = Object.entries(told.sections ?? {}).map(([name, section]) => ({ name, ...section })).filter((section) => ["degraded", "down"].includes(section.state));
  drawNotice();
}
function drawNotice() {
  const { ill } = feeds, others = servers?.filter(({ name }) => name !== "feeds") ?? [];
  $("b-feeds").toggleAttribute("data-ill", ill.length > 0);
  render(html`${others.length ? html`<a href=${status}>${others.map((section) => section.title ?? section.name).join(", ")}: not well. The map goes on with live state.</a>` : nothing}
    ${ill.length ? html`<button @click=${() => setPanel(feeds)}>${ill.length === 1 ? `${ill[0].feed} is silent${ill[0].since ? ` since ${clock(ill[0].since).slice(0, 5)}` : ""}` : `${ill.length} feeds are silent`}</button>` : nothing}`, $("notice"));
}
let listing = 0;
const listNow = () => { const rows = store.within(bounds()); $("inview").textContent = `${whole(rows.length)} in view`; document.title = `${whole(rows.length)} · Tracking`; list.show(rows); };
function listSoon() { listing ||= setTimeout(() => { listing = 0; listNow(); }, 400); }
function drawFoot() {
  const metres = (40075016.686 * Math.cos((map.getCenter().lat * Math.PI) / 180)) / (512 * 2 ** map.getZoom()), unit = units.name === "metric" ? 1000 : 1852;
  const best = [1000, 500, 200, 100, 50, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1].find((step) => (step * unit) / metres < 120) ?? 0.1;
  $("bar").style.width = `${Math.round((best * unit) / metres)}px`;
  $("barword").textContent = `${best} ${units.name === "metric" ? "km" : "nm"}`;
}
let telling = 0;
function tell(text) { $("toast").textContent = text; $("toast").hidden = false; clearTimeout(telling); telling = setTimeout(() => { $("toast").hidden = true; }, 2500); }
function keep() {
  const middle = map.getCenter();
  address.write({ zoom: map.getZoom(), lat: middle.lat, lon: middle.lng }, { sel: chosen, follow: following && "1", track: !tracking && "0", by: trail.by, span: trail.span !== "24h" && trail.span, hide: [...filters.hidden].join(), moving: filters.moving && "1", slowest: filters.slowest, low: filters.low, high: filters.high, feed: filters.feed, theme, units: units.name === "metric" && "metric", reach: [...reach.on.keys()].join(), cmp: feeds.a && feeds.b && `${feeds.a},${feeds.b}`, t: replay.on && `${new Date(replay.now() * 1000).toISOString().slice(0, 19)}Z` });
}
// A map that follows moves thirty times a second, and browsers refuse an address that changes so often.
let keeping = 0;
function keepSoon() { keeping ||= setTimeout(() => { keeping = 0; keep(); }, 200); }
function refilter() { store.rewrite(); drawFilters(); drawKinds(); listNow(); keep(); labels.chosenAt = 0; wake(); }
function toggle(id) { if (!filters.hidden.delete(id)) filters.hidden.add(id); refilter(); }
function drawFilters() {
  const feeds = [...new Set(store.source.filter(Boolean))].sort(), field = (name, word, step) => html`<label>${word}<input type="number" min="0" step=${step} .value=${filters[name] || ""} @change=${(event) => { filters[name] = +event.target.value || 0; refilter(); }}></label>`;
  $("filterscount").textContent = numberOfFilters() || "";
  legend($("legend"), store, filters, toggle);
  render(html`<label class="check"><input type="checkbox" .checked=${filters.moving} @change=${(event) => { filters.moving = event.target.checked; refilter(); }}>Only what moves</label>
    ${field("slowest", "Knots, at least", 1)}${field("low", "Feet, at least", 500)}${field("high", "Feet, at most", 500)}
    <label>Feed<select @change=${(event) => { filters.feed = event.target.value; refilter(); }}><option value="">all</option>${feeds.map((name) => html`<option ?selected=${name === filters.feed}>${name}</option>`)}</select></label>
    <label>Units<select @change=${(event) => { units.name = event.target.value; localStorage.setItem("units", units.name); drawFoot(); refilter(); drawCard(); }}><option value="nautical">nautical</option><option value="metric" ?selected=${units.name === "metric"}>metric</option></select></label>
    <button @click=${() => { Object.assign(filters, { hidden: new Set(), moving: false, slowest: 0, low: 0, high: 0, feed: "" }); refilter(); }}>Show everything</button>`, $("filters"));
}
function setTheme(next) {
  theme = next; document.documentElement.dataset.theme = theme; store.dark = theme === "dark";
  if (map.isStyleLoaded()) repaint(map, theme, tiles);
  setData("reach", reach.features(store.dark));
  refilter(); drawCard(); drawTrack(); drawPanel();
}

// --- pointer ---------------------------------------------------------------------------------------------------------
const under = (event) => store.nearest(mercatorX(event.lngLat.lng), mercatorY(event.lngLat.lat), 16 / (512 * 2 ** map.getZoom()));
map.on("mousemove", (event) => {
  const row = measuring ? -1 : under(event);
  hover(row); if (row >= 0 || measuring || !(drawPoint(event) || drawBlind(event))) drawTip(row, event.point);
  map.getCanvas().style.cursor = measuring ? "crosshair" : row >= 0 ? "pointer" : "";
  $("where").textContent = place(event.lngLat.lat, event.lngLat.lng);
  if (measuring?.from) drawRuler(event.lngLat);
});
map.on("mouseout", () => { hover(-1); drawTip(-1); });
map.on("click", (event) => {
  if (measuring) return measure(event.lngLat);
  const row = under(event);
  if (row >= 0 || !drawPoint(event)) { drawTip(-1); choose(row); }
});
/** The values of the point of the trail that is under the pointer; whether there is one. */
function drawPoint(event) {
  const point = tracking && trail.nearest(event.lngLat.lng, event.lngLat.lat, 14 / (512 * 2 ** map.getZoom()));
  if (!point) return false;
  tipAt(event.point, trail.told(point));
  return true;
}
function drawBlind(event) {
  const [feed] = replay.on ? [] : feeds.blindAt(event.lngLat.wrap().lng, event.lngLat.lat);
  if (feed) tipAt(event.point, html`<b>Nobody hears here</b><span>${feed.feed} is silent since ${clock(feed.since).slice(0, 5)} UTC</span>`);
  return Boolean(feed);
}
map.on("contextmenu", (event) => { rings = rings ? null : [event.lngLat.lng, event.lngLat.lat]; drawRings(); });
map.on("dragstart", () => { if (following) { following = false; drawCard(); keep(); } });
map.on("moveend", () => { keepSoon(); drawFoot(); listSoon(); if (replay.on) replay.moved(); else feed.moved(); });
map.on("error", (event) => console.error(event.error?.message ?? event.error));

function drawTip(row, point) {
  $("tip").hidden = row < 0;
  if (row < 0) return;
  const kind = store.kind[row];
  tipAt(point, html`<b>${titleOf(store, row)}</b><span>${store.alarm[row] ?? kindWord(store, row)}</span><span>${kind === STATION ? nothing : `${speed(store.speed[row])} · `}${kind === AIRCRAFT && !store.ground[row] ? `${altitude(store.altitude[row])} · ` : ""}${age(store.now() - store.heard[row])}</span>`);
}
function tipAt(point, told) {
  const tip = $("tip");
  tip.hidden = false; render(told, tip);
  const right = point.x > $("targets").clientWidth - (document.body.classList.contains("carded") && innerWidth > PHONE_PIXELS ? 590 : 240);
  tip.style.transform = `translate(${right ? Math.max(4, point.x - tip.offsetWidth - 14) : point.x + 16}px, ${point.y + 14}px)`;
}
function setMeasuring(on) { measuring = on ? { from: null } : null; $("measure").hidden = !on; $("measure").textContent = "Click the first point"; $("b-ruler").setAttribute("aria-pressed", on); setData("ruler", EMPTY); }
function measure(at) { if (measuring.from && !measuring.done) { measuring.done = true; drawRuler(at, true); } else measuring = { from: at }; }
function drawRuler(to, last) {
  if (measuring.done && !last) return;
  const { miles, bearing } = between(measuring.from.lat, measuring.from.lng, to.lat, to.lng);
  $("measure").textContent = `${distance(miles)} · ${String(Math.round(bearing) % 360).padStart(3, "0")}°`;
  setData("ruler", lineOf([[measuring.from.lng, measuring.from.lat], [to.lng, to.lat]]));
}
function drawRings() {
  if (!rings) return setData("rings", EMPTY);
  const circle = (miles) => lineOf(Array.from({ length: 121 }, (_, step) => beyond(rings[1], rings[0], miles, step * 3)));
  setData("rings", { type: "FeatureCollection", features: RINGS_MILES.map(circle) });
  tell(`Rings of ${RINGS_MILES.join(", ")} nautical miles; the same click again removes them`);
}

// --- search: what is live at once, the silent ones from the tables ---------------------------------------------------
let hits = [], cursor = 0, asking = 0;
function search(text) {
  const wanted = text.trim().toLowerCase();
  clearTimeout(asking);
  if (!wanted) return showHits(null);
  hits = [];
  for (let row = 0; row < store.count && hits.length < 60; row++) if (store.live[row] && (store.name[row].toLowerCase().includes(wanted) || store.id[row].includes(wanted))) hits.push({ row });
  hits.sort((a, b) => store.name[b.row].toLowerCase().startsWith(wanted) - store.name[a.row].toLowerCase().startsWith(wanted) || store.name[a.row].localeCompare(store.name[b.row]));
  hits = hits.slice(0, 8); cursor = 0; showHits(wanted);
  if (wanted.length >= 3 && member !== undefined) asking = setTimeout(() => searchTables(wanted), 350);
}
async function searchTables(wanted) {
  const found = await Promise.all(["vessels", "aircraft"].map((kind) => got(`${api}${kind}/?search=${encodeURIComponent(wanted)}`)));
  if ($("q").value.trim().toLowerCase() !== wanted) return;
  const key = keyOf(wanted);
  const others = found.flatMap(({ results }, number) => (results ?? []).slice(0, 6).map((one) => ({ key: "va"[number] + (one.mmsi ?? one.icao), name: one.name || one.callsign || String(one.mmsi ?? one.icao).toUpperCase(), seen: one.last_seen })));
  const listed = new Set(hits.map(({ row }) => row)), rows = others.map((one) => store.row(one.key));
  hits = [...hits, ...others.map((one, at) => (rows[at] < 0 ? one : { row: rows[at] })).filter(({ row }) => !listed.has(row))];
  if (key && store.row(key) < 0) hits.push({ why: key });
  showHits(wanted);
}
function showHits(wanted) {
  $("hits").hidden = wanted === null; $("q").setAttribute("aria-expanded", wanted !== null);
  if (wanted === null) return;
  render(hits.length ? hits.map((hit, number) => html`<li role="option" aria-selected=${number === cursor} @mousedown=${(event) => { event.preventDefault(); go(hit); }}>${hit.why ? html`<span class="glyph"></span><b>Why is ${hit.why.slice(1).toUpperCase()} not here?</b>` : hit.row === undefined ? html`<span class="glyph"></span><b>${hit.name}</b><small>${elsewhere(hit) ? "not in view" : "silent"}, heard ${age(Date.now() / 1000 - Date.parse(hit.seen) / 1000)} ago</small>` : html`${glyph(store, hit.row)}<b>${titleOf(store, hit.row)}</b><small>${kindWord(store, hit.row)}</small>`}</li>`) : html`<li class="none">Nothing of that name is live in what was loaded</li>`, $("hits"));
}
/** Whether a target that is not loaded is live where nobody looks. */
const elsewhere = (hit) => Date.now() / 1000 - Date.parse(hit.seen) / 1000 < store.ttl;
async function goElsewhere(key) {
  const found = await got(`${api}live/${pathOf(key)}`);
  if (found.lat === undefined) return tell("It is not live now");
  choose(-1); chosen = key; // when it is loaded the card opens
  map.easeTo({ center: [found.lon, found.lat], zoom: Math.max(map.getZoom(), 9), duration: 800 });
}
function go(hit) {
  showHits(null); $("q").blur();
  if (hit.why) return askWhy(hit.why);
  if (hit.row === undefined && elsewhere(hit) && !replay.on) return goElsewhere(hit.key);
  if (hit.row === undefined) { location.href = `${admin}tracking/${hit.key[0] === "v" ? "vessel" : "aircraft"}/${encodeURIComponent(hit.key.slice(1))}/change/`; return; }
  choose(hit.row); map.easeTo({ center: [store.lon[hit.row], store.lat[hit.row]], zoom: Math.max(map.getZoom(), 9), duration: 800 });
}
$("q").addEventListener("input", (event) => search(event.target.value));
$("q").addEventListener("blur", () => showHits(null));
$("q").addEventListener("keydown", (event) => {
  event.stopPropagation();
  if (event.key === "ArrowDown" || event.key === "ArrowUp") { event.preventDefault(); cursor = (cursor + (event.key === "ArrowDown" ? 1 : -1) + hits.length) % Math.max(1, hits.length); showHits(""); }
  else if (event.key === "Enter" && hits[cursor]) { event.preventDefault(); go(hits[cursor]); } // or it would press what is focused then
  else if (event.key === "Escape") { event.target.value = ""; showHits(null); event.target.blur(); }
});

// --- keyboard, as users of tar1090 know it where the meaning is the same ---------------------------------------------
const KEYS = {
  "/": () => $("q").focus(), q: () => map.zoomOut(), e: () => map.zoomIn(), h: () => map.flyTo(HOME), f: actions.follow, t: actions.track, c: () => actions.copy(),
  l: () => { labels.on = !labels.on; labels.chosenAt = 0; wake(); tell(labels.on ? "Names are shown" : "Names are hidden"); },
  x: () => { store.still = !store.still; wake(); tell(store.still ? "Drawn where they were heard" : "Drawn where they should be now"); },
  m: () => setMeasuring(!measuring), d: () => setTheme(theme === "dark" ? "light" : "dark"), v: () => $("side").classList.toggle("closed"),
  r: () => setPast(replay.on ? null : Date.now() / 1000 - 3600), " ": () => replay.on && bar.toggle(), "[": () => replay.on && bar.step(-3600), "]": () => replay.on && bar.step(3600),
  1: () => toggle("vessel"), 2: () => toggle("aircraft"), 3: () => toggle("station"), "?": () => $("help").showModal(),
  b: () => setPanel(panel === feeds ? null : feeds), w: () => chosen && askWhy(chosen),
  Escape: () => (measuring ? setMeasuring(false) : panel ? setPanel(null) : choose(-1)),
};
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /INPUT|SELECT|TEXTAREA/.test(event.target.tagName) || $("help").open) return;
  if (event.key === " " && event.target.tagName === "BUTTON") return; // it presses the button
  const act = KEYS[event.key];
  if (act) { event.preventDefault(); act(); }
});
for (const [id, key] of Object.entries({ "b-in": "e", "b-out": "q", "b-home": "h", "b-theme": "d", "b-ruler": "m", "b-replay": "r", "b-feeds": "b", "b-help": "?" })) $(id).addEventListener("click", KEYS[key]);
$("b-list").addEventListener("click", () => { $("side").classList.toggle("open"); listNow(); });
$("b-filters").addEventListener("click", (event) => { const open = $("filterbox").toggleAttribute("hidden"); event.currentTarget.setAttribute("aria-expanded", !open); drawFilters(); });

document.documentElement.dataset.theme = theme; store.dark = theme === "dark";
if (begun.kiosk === "1") document.body.classList.add("kiosk");
layer.big = labels.big = Math.min(4, Math.max(0.5, +begun.scale || 1));
fit(); drawKinds(); drawFilters(); drawHealth(); watchServers();
setInterval(drawHealth, 1000); setInterval(watchServers, 15000); setInterval(() => { listSoon(); drawCard(); }, 2000);
