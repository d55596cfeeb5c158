// Asks for changes as often as the view needs, and says how it goes. Bodies go to `take`.

import { holds, pollSeconds, snappedBox } from "./geo.js";

const TIMEOUT_MS = 15000, LONGEST_SECONDS = 30;

export class Feed {
  constructor(address, { view, zoom, take, told }) { Object.assign(this, { address, view, zoom, take, told, box: null, cursor: "", failures: 0, at: 0, problem: "", paused: false }); }

  /** Ask now, and go on asking. */
  async ask() {
    clearTimeout(this.waiting);
    if (document.hidden || this.paused) return;
    const view = this.view();
    if (!this.box || !holds(this.box, view)) { this.box = snappedBox(view); this.cursor = ""; }
    const box = this.box, query = new URLSearchParams({ bbox: box.map((edge) => +edge.toFixed(4)).join(), ...(this.cursor && { since: this.cursor }) });
    try {
      const response = await fetch(`${this.address}?${query}`, { signal: AbortSignal.timeout(TIMEOUT_MS), headers: { Accept: "application/json" } });
      if (!response.ok) throw new Error(response.status === 503 ? "live state is away" : response.status === 401 ? "log in again" : response.status === 429 ? "asked too often" : `the server answers ${response.status}`);
      const body = await response.json();
      if (this.paused) return;
      if (box !== this.box) return this.ask();
      Object.assign(this, { cursor: body.next, failures: 0, at: Date.now(), problem: "" });
      this.take(body);
    } catch (error) { this.failures++; this.problem = error.name === "TimeoutError" ? "no answer" : error instanceof TypeError ? "no connection" : error.message; }
    if (this.paused) return;
    this.told();
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.ask(), Math.min(LONGEST_SECONDS, pollSeconds(this.zoom()) * 2 ** Math.min(this.failures, 4)) * 1000);
  }

  /** Ask no more, until `resume`, which begins anew. */
  pause() { this.paused = true; clearTimeout(this.waiting); }
  resume() { Object.assign(this, { paused: false, box: null, cursor: "" }); this.ask(); }

  /** The view changed: at once, where the box does not hold it. */
  moved() { if (!this.box || !holds(this.box, this.view())) this.ask(); }

  /** Seconds since the last body, and whether that is later than it should be. */
  state() {
    const seconds = (Date.now() - this.at) / 1000;
    return { seconds, late: !this.at || seconds > pollSeconds(this.zoom()) * 2 + 4, problem: this.problem, begun: this.at > 0 };
  }
}
