// The bar of the replay: a day or an hour as a slider, the moment, how fast, and back to the present.

import { html, nothing, render } from "../../vendor/lit-html-3.3.3/lit-html.js";
import { clock, moment } from "../format.js";
import { RATES } from "./replay.js";

const SPANS = { day: 86400, hour: 3600 };
const DRAG_MS = 200;

export class Bar {
  constructor(root, replay, actions) { Object.assign(this, { root, replay, actions, span: "day", dragged: null }); }

  draw() {
    const { replay, root } = this;
    root.hidden = !replay.on;
    if (!replay.on) return render(nothing, root);
    const length = SPANS[this.span], now = this.dragged ?? replay.now(), begin = Math.floor(now / length) * length;
    const most = Math.min(length, Math.max(1, Math.floor(Date.now() / 1000 - begin)));
    const to = (seconds) => () => this.#to(seconds);
    render(html`<div class="bar"><div class="play">
        <button title="An hour back ( [ )" aria-label="An hour back" @click=${to(now - 3600)}>−1 h</button>
        <button class="main" title="Play or pause (space)" aria-label=${replay.playing ? "Pause" : "Play"} @click=${() => this.toggle()}><svg viewBox="0 0 24 24" aria-hidden="true"><path d=${replay.playing ? "M6 4h4v16H6zM14 4h4v16h-4z" : "M7 4l13 8-13 8z"}></path></svg></button>
        <button title="An hour on ( ] )" aria-label="An hour on" @click=${to(now + 3600)}>+1 h</button>
        <select aria-label="How fast" @change=${(event) => replay.setRate(+event.target.value)}>${RATES.map((rate) => html`<option value=${rate} ?selected=${rate === replay.rate}>${rate}×</option>`)}</select>
        <select aria-label="Span of the slider" @change=${(event) => { this.span = event.target.value; this.draw(); }}>${Object.keys(SPANS).map((name) => html`<option value=${name} ?selected=${name === this.span}>${name}</option>`)}</select></div>
      <div class="slide"><input type="range" min="0" max=${most} step=${this.span === "day" ? 10 : 1} .value=${String(now - begin)} aria-label="Moment" aria-valuetext="${moment(now)} UTC"
          @input=${(event) => this.#drag(begin + +event.target.value)} @change=${() => { this.dragged = null; this.draw(); }}>
        <p class="ends"><span>${clock(begin).slice(0, 5)}</span><span>${replay.problem || (replay.waiting ? "Looking it up" : replay.truncated ? "More than can be shown: zoom in" : "")}</span><span>${clock(begin + most).slice(0, 5)}</span></p></div>
      <div class="when"><input type="datetime-local" step="1" aria-label="Moment, UTC" .value=${iso(now)} max=${iso(Date.now() / 1000)} @change=${(event) => this.#typed(event.target)}><small>UTC</small>
        <button class="live" title="Back to the present (r)" @click=${() => this.actions.live()}>Live</button></div></div>`, root);
  }

  toggle() { if (this.replay.playing) this.replay.pause(); else this.replay.play(); }
  step(seconds) { this.#to(this.replay.now() + seconds); }

  /** While it is dragged the bar follows at once, the map when the hand rests. */
  #drag(seconds) {
    this.dragged = seconds; this.draw();
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.#to(seconds), DRAG_MS);
  }

  #typed(input) { const seconds = Date.parse(`${input.value}Z`) / 1000; if (Number.isFinite(seconds)) this.#to(seconds); }
  #to(seconds) { this.actions.sought(Math.min(seconds, Date.now() / 1000 - 10)); }
}

const iso = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 19);
