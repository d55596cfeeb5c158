// Lines, areas and bars as SVG. Numbers enter, lit templates leave; null is a gap. Texts stand beside the drawings,
// which are stretched to the width that there is.

import { html, nothing, svg } from "../map/vendor/lit-html-3.3.3/lit-html.js";
import { bytes, clock, count, day } from "./format.js";

const COLOURS = 8; // of the style sheet; what is beyond them is drawn together

const largest = (values) => Math.max(1e-9, ...values.filter((value) => value != null));

// The line of the last hour, filled to the ground; `good` and the like choose its colour.
export function spark(values, label, tone = "") {
  if (!values.some((value) => value != null)) return html`<div class="spark" aria-hidden="true"></div>`;
  const top = largest(values) * 1.08, step = 100 / Math.max(1, values.length - 1);
  const place = (value, at) => `${(at * step).toFixed(2)},${(30 - (value / top) * 29).toFixed(2)}`;
  const pieces = [];
  let piece = [];
  values.forEach((value, at) => {
    if (value == null) { if (piece.length) pieces.push(piece); piece = []; }
    else piece.push([value, at]);
  });
  if (piece.length) pieces.push(piece);
  return html`<svg class="spark ${tone}" viewBox="0 0 100 30" preserveAspectRatio="none" role="img" aria-label=${label}>
    ${pieces.map((each) => {
      const line = each.map(([value, at]) => place(value, at)).join(" ");
      const [from, to] = [each[0][1] * step, each.at(-1)[1] * step];
      return svg`<polygon points="${from.toFixed(2)},30 ${line} ${to.toFixed(2)},30"/><polyline points=${line}/>`;
    })}</svg>`;
}

// The feeds of the chart as they are drawn: the largest at the bottom, what is beyond the colours together.
// Rates are a minute; the last step is open and as long as it has lasted.
export function layers(chart, nowMs) {
  const steps = chart.feeds[0]?.values.length ?? 0;
  const stepMs = chart.step_minutes * 60000;
  const open = Math.max(1, (nowMs - chart.since - (steps - 1) * stepMs) / 60000);
  const shown = chart.step_minutes === 1 ? steps - 1 : steps;
  const named = [...chart.feeds].sort((a, b) => (a.label < b.label ? -1 : 1)).map((feed, at) => ({
    name: feed.name,
    colour: at,
    values: feed.values.slice(0, shown).map((value, step) => value / (step === steps - 1 ? open : chart.step_minutes)),
  }));
  const few = named.length <= COLOURS ? named : [...named.slice(0, COLOURS - 1), together(named.slice(COLOURS - 1))];
  const total = (layer) => layer.values.reduce((sum, value) => sum + value, 0);
  return few.sort((a, b) => total(b) - total(a));
}

const together = (feeds) => ({
  name: `${feeds.length} others`,
  colour: COLOURS - 1,
  values: feeds[0].values.map((_, at) => feeds.reduce((sum, feed) => sum + feed.values[at], 0)),
});

// A round number above `value`: 1, 2, 2.5 or 5 by powers of ten.
export function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 2.5, 5, 10].map((step) => step * power).find((step) => step >= value);
}

export function stacked(chart, nowMs, pointed, onPoint) {
  const shown = layers(chart, nowMs);
  const steps = shown[0]?.values.length ?? 0;
  if (!steps) return html`<p class="empty">Nothing came in this time. What comes is counted from now on.</p>`;
  const sums = shown[0].values.map((_, at) => shown.reduce((sum, layer) => sum + layer.values[at], 0));
  const top = ceiling(largest(sums) * 1.02), x = (at) => ((at / Math.max(1, steps - 1)) * 1000).toFixed(1);
  const ground = new Array(steps).fill(0);
  const areas = shown.map((layer) => {
    const below = ground.map((value, at) => `${x(at)},${(300 - (value / top) * 300).toFixed(1)}`).reverse();
    layer.values.forEach((value, at) => { ground[at] += value; });
    const above = ground.map((value, at) => `${x(at)},${(300 - (value / top) * 300).toFixed(1)}`);
    return svg`<polygon class="c${layer.colour}" points="${above.join(" ")} ${below.join(" ")}"/>`;
  });
  const at = pointed == null ? null : Math.min(steps - 1, Math.max(0, Math.round(pointed * (steps - 1))));
  const time = (step, days) => clock(chart.since + step * chart.step_minutes * 60000, days);
  const long = chart.step_minutes >= 60;
  return html`
    <div class="plot" @pointermove=${(event) => onPoint(fraction(event))} @pointerleave=${() => onPoint(null)}>
      <ul class="scale" aria-hidden="true"><li>${count(top)}</li><li>${count(top / 2)}</li><li>0</li></ul>
      <svg viewBox="0 0 1000 300" preserveAspectRatio="none" role="img"
        aria-label="Messages a minute by feed, ${count(sums.at(-1))} at the end, ${count(largest(sums))} at most">
        <path class="grid" d="M0 0H1000M0 150H1000M0 300H1000"/>${areas}
        ${at == null ? nothing : svg`<path class="pointer" d="M${x(at)} 0V300"/>`}
      </svg>
      <ul class="times" aria-hidden="true">${[0, 0.5, 1].map((part) => html`<li>${time(Math.round(part * (steps - 1)), long)}</li>`)}</ul>
    </div>
    <ul class="legend">
      ${shown.map((layer) => html`<li><i class="c${layer.colour}"></i>${layer.name}${at == null ? nothing : html` <b>${count(layer.values[at])}</b>`}</li>`)}
      ${at == null ? nothing : html`<li class="at">${time(at, chart.step_minutes > 1)} UTC · <b>${count(sums[at])}</b> a minute</li>`}
    </ul>`;
}

function fraction(event) {
  const box = event.currentTarget.querySelector("svg").getBoundingClientRect();
  return (event.clientX - box.left) / box.width;
}

// Bytes a day, today's in full colour.
export function bars(days) {
  const top = largest(days.map((each) => each.bytes));
  return html`<ol class="bars">${days.map((each, at) => html`<li title="${day(each.day)}: ${bytes(each.bytes)}, about ${count(each.rows)} positions">
    <svg viewBox="0 0 10 100" preserveAspectRatio="none" aria-hidden="true"><rect class=${at === days.length - 1 ? "now" : ""} y=${100 - Math.max(each.bytes ? 2 : 0, (each.bytes / top) * 100)} width="10" height="100"/></svg>
    <span class="quiet">${day(each.day)}: ${bytes(each.bytes)}</span></li>`)}</ol>`;
}
