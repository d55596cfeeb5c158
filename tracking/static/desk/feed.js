// The charts of one feed, by minutes of the last hour, from the API. Drawn again every few seconds while the tab shows.

import { html, render } from "../map/vendor/lit-html-3.3.3/lit-html.js";
import { spark } from "./charts.js";
import { clock, count } from "./format.js";

const EVERY_MS = 10000;
const root = document.getElementById("feed-charts");
const sum = (reasons) => Object.values(reasons).reduce((total, each) => total + each, 0);
const CHARTS = [
  ["Messages a minute", (minute) => minute.messages, ""],
  ["Positions a minute", (minute) => minute.positions, ""],
  ["Distinct targets", (minute) => minute.targets, "good"],
  ["Refused a minute", (minute) => sum(minute.malformed) + sum(minute.rejected), "bad"],
];
let timer = 0;

function chart(title, values, tone, since) {
  const top = Math.max(...values);
  return html`<section class="card tile"><h2>${title}</h2>
    <p class="figure"><b>${count(values.at(-1))}</b>at most ${count(top)}</p>
    ${spark(values, `${title}, last hour`, tone)}<p class="ends"><span>${clock(since)}</span><span>now (UTC)</span></p></section>`;
}

function draw(minutes) {
  const whole = minutes.slice(1).reverse(); // the newest is not over
  render(html`<div class="tiles">${CHARTS.map(([title, value, tone]) => chart(title, whole.map(value), tone, Date.parse(whole[0].at)))}</div>`, root);
}

async function ask() {
  clearTimeout(timer);
  if (document.hidden) return;
  try {
    const answer = await fetch(root.dataset.minutes, { headers: { Accept: "application/json" } });
    if (answer.ok) draw(await answer.json());
    else render(html`<p class="empty">The minutes are not known now.</p>`, root);
  } catch {
    render(html`<p class="empty">The server does not answer.</p>`, root);
  }
  timer = setTimeout(ask, EVERY_MS);
}

if (root) { // a feed that is being added has none
  document.addEventListener("visibilitychange", ask);
  ask();
}
