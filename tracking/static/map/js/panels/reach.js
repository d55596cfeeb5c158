// How far feeds hear by bearing: outlines of the latest day that is over, around their antennas, switched on feed by feed.

import { around } from "../geo.js";

export class Reach {
  /** `got` asks for an address, `told` when what is drawn changes, `labels` are the feeds that are on at first. */
  constructor(api, { got, told, labels }) { Object.assign(this, { api, got, told, on: new Set(labels), known: new Map() }); }

  /** Switch a feed on or off; its outline when it is on and known. */
  async toggle(feed) {
    if (this.on.delete(feed)) return void this.told();
    this.on.add(feed);
    await this.ask(feed);
    return this.of(feed);
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

  /** Of each feed that is on two polygons, the furthest and the usual, and its antenna. */
  features() {
    const found = [...this.on].map((feed) => this.known.get(feed)).filter(Boolean);
    const feature = (part, feed, type, coordinates) => ({ type: "Feature", properties: { part, feed }, geometry: { type, coordinates } });
    return { type: "FeatureCollection", features: found.flatMap((one) => [...["furthest", "usual"].map((part) => feature(part, one.feed, "Polygon", [around(one.lat, one.lon, one[part])])), feature("antenna", one.feed, "Point", [one.lon, one.lat])]) };
  }
}

/** The box of an outline: [west, south, east, north]. */
export function boxOf({ lat, lon, furthest }) {
  const ring = around(lat, lon, furthest), edge = (pick, place) => pick(...ring.map((point) => point[place]));
  return [edge(Math.min, 0), edge(Math.min, 1), edge(Math.max, 0), edge(Math.max, 1)];
}
