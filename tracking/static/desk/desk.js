// The operator's desk: asks for the figures every few seconds and draws them. It stops while the tab is hidden or the
// user pauses it, asks less often while the server does not answer, and puts the side bar's numbers right on the way.

import { render } from "../map/vendor/lit-html-3.3.3/lit-html.js";
import { desk } from "./panels.js";
import { show as showBadges } from "./badges.js";

const EVERY_MS = 5000;
const LONGEST_MS = 60000;
const LATE_MS = 20000; // without an answer: then old figures must not look like new ones
const KEPT = 720; // depths of the queue, an hour of them
const WINDOWS = ["1h", "24h", "7d"];

const root = document.getElementById("desk");
const state = {
  figures: null, heardAt: 0, paused: false, failures: 0, pointed: null, queued: [],
  window: WINDOWS.includes(localStorage.getItem("desk-window")) ? localStorage.getItem("desk-window") : "1h",
};
let timer = 0, asking = null;

const on = {
  window: () => state.window,
  pause() { state.paused = !state.paused; state.paused ? stop() : ask(); draw(); },
  choose(window) { state.window = window; localStorage.setItem("desk-window", window); ask(); draw(); },
  point(part) { state.pointed = part; draw(); },
};

function draw() {
  if (!state.figures) return;
  const age = (Date.now() - state.heardAt) / 1000;
  const late = !state.paused && age * 1000 > LATE_MS;
  root.classList.toggle("is-late", late);
  render(desk({ ...state, age, late, on }), root);
}

async function ask() {
  stop();
  asking = new AbortController();
  const mine = asking;
  try {
    const answer = await fetch(`${root.dataset.figures}?window=${state.window}`, { signal: mine.signal, headers: { Accept: "application/json" } });
    if (answer.redirected) return location.reload(); // the session is over
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    take(await answer.json());
  } catch (error) {
    if (mine.signal.aborted) return;
    state.failures += 1;
  }
  if (asking !== mine) return;
  draw();
  if (!state.paused && !document.hidden) timer = setTimeout(ask, Math.min(LONGEST_MS, EVERY_MS * 2 ** state.failures));
}

function take(figures) {
  if (!state.figures) root.replaceChildren();
  Object.assign(state, { figures, heardAt: Date.now(), failures: 0 });
  const { queue } = figures.panels;
  if (queue && !queue.error) state.queued = [...state.queued.slice(1 - KEPT), queue.waiting + queue.in_hand];
  showBadges(figures.badges);
}

function stop() {
  clearTimeout(timer);
  asking?.abort();
  asking = null;
}

document.addEventListener("visibilitychange", () => (document.hidden ? stop() : state.paused || ask()));
setInterval(() => { if (!document.hidden) draw(); }, 1000);
ask();
