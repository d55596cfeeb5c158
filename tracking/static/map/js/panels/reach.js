// How far feeds hear by bearing: outlines of the latest day that is over, around their antennas, switched on feed by feed.

import { around } from "../geo.js";
import { SERIES } from "../kinds.js";

export class Reach {
  /** `got` asks for an address, `told` when what is drawn changes, `labels` are the feeds that are on at first. */
  constructor(api, { got, told, labels }) { Object.assign(this, { api, got, told, on: new Map(), known: new Map() }); labels.forEach((feed) => this.#begin(feed)); }

  /** With the first colour that no other outline has. */
  #begin(feed) { this.on.set(feed, SERIES.findIndex((_, number) => ![...this.on.values()].includes(number))); }

  /** The colour of a feed's outline. */
  colour(feed, dark) { return (SERIES[this.on.get(feed)] ?? SERIES[0])[dark ? 0 : 1]; }

  /** Switch a feed on or off; whether it is on and its outline known. */
  async toggle(feed) {
    if (this.on.delete(feed)) { this.told(); return false; }
    this.#begin(feed);
    await this.ask(feed);
    return Boolean(this.of(feed));
  }

  /** The outline of a feed that is on, once it is known. */
  of(feed) { return this.on.has(feed) ? this.known.get(feed) : undefined; }

  /** Ask for the outlines that are wanted and not known, or of an earlier day than the one that is told of the feed. */
  renew(feeds) { for (const { feed, reach } of feeds) if (reach && this.on.has(feed) && this.known.get(feed)?.day !== reach) this.ask(feed); }

  async ask(feed) {
    const body = await this.got(`${this.api}live/feeds/${encodeURIComponent(feed)}/reach/`);
    if (body.refused === undefined) this.known.set(feed, body);
    else if (body.refused === 404) this.on.delete(feed);
    this.told();
  }

  get #drawn() { return [...this.on.keys()].map((feed) => this.known.get(feed)).filter(Boolean); }

  /** Of each feed that is on two polygons, the furthest and the usual, and its antenna. */
  features(dark) {
    const feature = (part, { feed }, type, coordinates) => ({ type: "Feature", properties: { part, feed, colour: this.colour(feed, dark) }, geometry: { type, coordinates } });
    return { type: "FeatureCollection", features: this.#drawn.flatMap((one) => [...["furthest", "usual"].map((part) => feature(part, one, "Polygon", [around(one.lat, one.lon, one[part])])), feature("antenna", one, "Point", [one.lon, one.lat])]) };
  }

  /** The box around all outlines that are drawn: [west, south, east, north]. */
  box() {
    const points = this.#drawn.flatMap(({ lat, lon, furthest }) => around(lat, lon, furthest)), edge = (pick, place) => pick(...points.map((point) => point[place]));
    return [edge(Math.min, 0), edge(Math.min, 1), edge(Math.max, 0), edge(Math.max, 1)];
  }
}
