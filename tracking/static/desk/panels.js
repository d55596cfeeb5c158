// The panels of the desk. What the figures say enters, lit templates leave; a panel that the user may not see, or whose
// server is away, takes its place accordingly. Texts of others are texts: lit escapes them.

import { html, nothing } from "../map/vendor/lit-html-3.3.3/lit-html.js";
import { bars, spark, stacked } from "./charts.js";
import { against, bytes, clock, count, rate, share, signed, span, words } from "./format.js";

const WINDOWS = [["1h", "1 h"], ["24h", "24 h"], ["7d", "7 d"]];
const TONES = {
  ok: "good", closed: "good", balanced: "good", silent: "bad", failing: "bad", open: "bad", "forced open": "bad",
  stale_clock: "warn", "half open": "warn", off: "soft",
};

export const badge = (state, title = "") => html`<span class="badge ${TONES[state] ?? "soft"}" title=${title}>${words(state)}</span>`;

export function desk({ figures, age, paused, late, pointed, queued, on }) {
  const { panels } = figures;
  return html`
    ${verdict(figures.verdict, age, paused, late, on)}
    <div class="tiles">${tiles(panels, queued)}</div>
    ${panels.feeds || panels.accounts ? html`<div class="row wide">${chart(panels.feeds, figures.time, pointed, on)}${accounts(panels.accounts)}</div>` : nothing}
    ${feeds(panels.feeds)}
    <div class="row thirds">${breakers(panels.breakers)}${letters(panels.letters)}${storage(panels.storage)}</div>`;
}

function verdict(found, age, paused, late, on) {
  const shown = found.troubles.slice(0, 4), more = found.troubles.length - shown.length;
  return html`<section class="verdict ${late ? "late" : found.state}" aria-label="Verdict">
    <div role="status"><h2>${late ? "No news from the server." : found.headline}</h2>
      ${shown.length ? html`<ul>${shown.map((each) => html`<li>${capital(each.text)}${each.url ? html` · <a href=${each.url}>look</a>` : nothing}</li>`)}
        ${more > 0 ? html`<li>and ${more} more</li>` : nothing}</ul>` : nothing}</div>
    <p class="fresh"><span>${paused ? "Paused" : `Refreshed ${span(age)} ago`}</span><button type="button" aria-pressed=${paused} @click=${on.pause}>${paused ? "Go on" : "Pause"}</button></p>
  </section>`;
}

const capital = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);

function tiles({ feeds: found, live, queue }, queued) {
  const messages = found?.messages, well = found?.feeds?.filter((feed) => feed.state === "ok").length;
  return [
    found && tile("Messages", messages && rate(messages.per_second), "/s", found, () =>
      [`${well} of ${found.feeds.length} feeds`, messages.usual_per_second ? `${against(messages.per_second, messages.usual_per_second)} on this hour of the week` : null],
      () => spark(messages.hour.slice(0, -1), "Messages a minute, last hour")),
    live && tile("Live targets", live.counts && count(Object.values(live.counts).reduce((sum, each) => sum + each, 0)), "", live, () =>
      [`${count(live.counts.vessel)} ships`, `${count(live.counts.aircraft)} aircraft`, `${count(live.counts.station)} stations`],
      () => messages && spark(messages.targets.slice(0, -1), "Targets heard in each minute, last hour")),
    found && tile("Receipt to map, 95 %", messages && span(messages.through.p95_seconds).replace(/ (\D+)$/, ""), messages && span(messages.through.p95_seconds).match(/ (\D+)$/)?.[1], found, () =>
      [`half within ${span(messages.through.median_seconds)}`, messages.through.slowest && found.feeds.length > 1 ? `slowest ${messages.through.slowest.name} ${span(messages.through.slowest.p95_seconds)}` : null],
      () => spark(messages.through.hour.slice(0, -1), "Receipt to map by minute, last hour", "good")),
    queue && tile("Queue", queue.waiting != null && count(queue.waiting + queue.in_hand), queue.waiting + queue.in_hand === 1 ? "batch" : "batches", queue, () =>
      [queue.oldest_seconds == null ? "nothing waits" : `oldest ${span(queue.oldest_seconds)}`, spool(queue.spool), queue.parked ? `${count(queue.parked)} parked` : "none parked"],
      () => spark(queued, "Batches in the queue since this page was opened", "good")),
  ].filter(Boolean);
}

const spool = (found) => (!found ? "spool unusable" : found.entries ? `${count(found.entries)} in the spool` : "spool empty");

function tile(title, figure, unit, panel, about, drawing) {
  if (panel.error) return html`<section class="card tile"><h2>${title}</h2>${away(panel)}</section>`;
  return html`<section class="card tile"><h2>${title}</h2><p class="figure"><b>${figure}</b>${unit}</p>
    <p class="about">${about().filter(Boolean).join(" · ")}</p>${drawing() || nothing}</section>`;
}

const away = (panel) => html`<p class="empty">No answer (${panel.error}).</p>`;

const card = (title, aside, panel, body, name = "") => html`<section class="card ${name}"><header><h2>${title}</h2>${aside}</header>${panel.error ? away(panel) : body()}</section>`;

function chart(panel, time, pointed, on) {
  if (!panel) return nothing;
  const chosen = panel.messages?.chart.window;
  const buttons = html`<div class="windows" role="group" aria-label="Time shown">${WINDOWS.map(([window, text]) => html`<button type="button" aria-pressed=${window === on.window()} @click=${() => on.choose(window)}>${text}</button>`)}</div>`;
  return card("Messages a minute by feed", buttons, panel, () => stacked(panel.messages.chart, Date.parse(time), pointed, on.point), `rates w${chosen}`);
}

function accounts(panel) {
  if (!panel) return nothing;
  const mark = panel.equations ? html`<span class="badge ${panel.balanced ? "good" : "bad"}">${panel.balanced ? "balanced" : "do not balance"}</span>` : nothing;
  return card("Accounts, today", mark, panel, () => (panel.equations ? html`<table class="accounts"><caption class="quiet">What became of all lines, messages and positions booked today (UTC)</caption>
    ${panel.equations.map((each) => html`<tbody>
      <tr class="sum ${each.holds ? "" : "wrong"}"><th scope="row">${each.name}</th><td>${count(each.value)}</td></tr>
      ${each.terms.map((term) => html`<tr class=${term.name === "dead" && term.value ? "wrong" : term.value ? "" : "none"}><th scope="row">${term.name}</th><td>${count(term.value)}</td></tr>`)}</tbody>`)}
  </table><p class="about">${count(panel.batches)} batches · added up ${span(panel.age_seconds)} ago</p>` : html`<p class="empty">Being added up…</p>`), "sums");
}

function feeds(panel) {
  if (!panel) return nothing;
  const all = html`<a href=${panel.url ?? "#"}>All feeds</a>`;
  return card("Feeds", all, panel, () => (panel.feeds.length ? html`<div class="scroll"><table class="feeds">
    <thead><tr><th scope="col">Feed</th><th scope="col">State</th><th scope="col" class="n">msg/s</th><th scope="col" class="n m">vs usual</th><th scope="col" class="m">Last hour</th>
      <th scope="col" class="n m">Delay</th><th scope="col" class="n l">Clock</th><th scope="col" class="n l">Rejected</th><th scope="col" class="n">Heard</th></tr></thead>
    <tbody>${panel.feeds.map(feed)}</tbody></table></div>` : html`<p class="empty">There is no feed yet.</p>`));
}

function feed(each) {
  const tone = { silent: "bad", failing: "bad", stale_clock: "warn" }[each.state] ?? "";
  return html`<tr><th scope="row">${each.url ? html`<a href=${each.url}>${each.name}</a>` : each.name}<small>${each.address}</small></th>
    <td>${badge(each.state, each.reason)}</td><td class="n">${rate(each.per_second)}</td>
    <td class="n m soft">${against(each.per_second, each.usual_per_second)}</td>
    <td class="m">${spark(each.hour.slice(0, -1), `Messages a minute of ${each.name}, last hour`, tone)}</td>
    <td class="n m">${span(each.delay_seconds)}</td><td class="n l">${signed(each.skew_seconds)}</td><td class="n l">${share(each.rejected_share)}</td>
    <td class="n soft">${span(each.heard_seconds)}</td></tr>`;
}

function breakers(panel) {
  if (!panel) return nothing;
  const note = panel.shared === false ? html`<span class="soft">of this process only</span>` : nothing;
  return card("Circuit breakers", note, panel, () => html`<ul class="lines">${panel.breakers.map((each) => html`<li>
    <a href=${each.url} title=${each.purpose}>${each.name}</a>${badge(each.state)}
    <span class="soft end">${each.since_seconds == null ? "never opened" : `${span(each.since_seconds)} · opened ${count(each.opened)} ×`}</span></li>`)}</ul>`);
}

function letters(panel) {
  if (!panel) return nothing;
  const may = panel.rights.includes("resilience.retry_deadletter");
  const all = html`<a href=${panel.url ?? "#"}>${panel.open ? `${count(panel.open)}${panel.counted_all ? "" : "+"} open` : "all"}</a>`;
  return card("Dead letters", all, panel, () => (panel.groups.length ? html`<ul class="lines">${panel.groups.map((each) => html`<li>
      <a href=${each.url} title=${each.message}>${words(each.reason)}</a><b class="end">${count(each.count)}${each.counted_all ? "" : "+"}</b>
      ${may ? html`<a class="button" href=${each.retry}>Retry…</a>` : nothing}</li>`)}
      ${panel.more ? html`<li class="soft">and ${panel.more} more groups</li>` : nothing}</ul>` : html`<p class="empty">None open: every message was stored or refused for a reason.</p>`));
}

function storage(panel) {
  if (!panel) return nothing;
  return card("Stored a day", nothing, panel, () => {
    const full = panel.days.slice(0, -1).filter((each) => each.bytes), mean = full.reduce((sum, each) => sum + each.bytes, 0) / Math.max(1, full.length);
    const disk = panel.disks.find((each) => each.name === "data");
    const kept = panel.kept, days = (number) => (number ? `${count(number)} d kept` : "all kept");
    return html`<p class="about">${[full.length ? `${bytes(mean)} a day` : null, kept.vessel === kept.aircraft ? days(kept.vessel) : `ships ${days(kept.vessel)}, aircraft ${days(kept.aircraft)}`,
      kept.archive_after ? `archived after ${count(kept.archive_after)} d` : null, disk ? `${bytes(disk.free)} free` : null].filter(Boolean).join(" · ")}</p>
      ${panel.days.length ? html`${bars(panel.days)}<p class="ends"><span>${day0(panel.days)}</span><span>today ${bytes(panel.days.at(-1).bytes)}</span></p>` : html`<p class="empty">Being measured…</p>`}`;
  });
}

const day0 = (days) => clock(Date.parse(`${days[0].day}T00:00Z`), true).slice(0, -6);
