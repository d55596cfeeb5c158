// Events of the last hour on the map: a mark each, and what it says when it is clicked.

import { LngLatBounds, Popup } from "../vendor/maplibre-gl-6.17.0/maplibre-gl.mjs";
import { EMPTY } from "./style.js";

const EVERY_MS = 10000, TIMEOUT_MS = 15000;
const GRAVE = ["emergency", "distress", "encounter", "spoofed"];
const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 19);

export class Events {
  /** `busy` says whether a click is meant for something else. */
  constructor(map, address, busy) {
    Object.assign(this, { map, address, busy });
    map.on("load", () => this.begin());
  }

  begin() {
    const grave = ["in", ["get", "kind"], ["literal", GRAVE]];
    this.map.addSource("events", { type: "geojson", data: EMPTY });
    this.map.addLayer({
      id: "events", type: "circle", source: "events", layout: { visibility: this.hidden ? "none" : "visible" },
      paint: { "circle-radius": ["interpolate", ["linear"], ["zoom"], 2, 3.5, 8, 11], "circle-color": "rgba(0,0,0,0)", "circle-stroke-width": ["interpolate", ["linear"], ["zoom"], 2, 1.2, 8, 2.5], "circle-stroke-color": ["case", grave, "#ef4444", "#f59e0b"], "circle-stroke-opacity": ["case", ["get", "over"], 0.45, 1] },
    });
    this.map.on("click", (event) => this.tell(event));
    this.map.on("moveend", () => this.ask());
    this.ask();
  }

  /** Ask now, and go on asking while somebody looks. */
  async ask() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.ask(), EVERY_MS);
    if (document.hidden) return;
    const asked = (this.asked = Symbol("asked"));
    try {
      const response = await fetch(`${this.address}?bbox=${this.box()}`, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (response.ok && asked === this.asked) this.show((await response.json()).results);
    } catch { /* the next one tells; live targets say themselves when there is no connection */ }
  }

  /** They are of the last hour, so the past is shown without them. */
  hide(hidden) {
    this.hidden = hidden;
    if (this.map.getLayer("events")) this.map.setLayoutProperty("events", "visibility", hidden ? "none" : "visible");
  }

  box() {
    const bounds = this.map.getBounds(), turned = (lon) => ((((lon + 180) % 360) + 360) % 360) - 180;
    const wide = bounds.getEast() - bounds.getWest() >= 360;
    const edges = [wide ? -180 : turned(bounds.getWest()), Math.max(-90, bounds.getSouth()), wide ? 180 : turned(bounds.getEast()), Math.min(90, bounds.getNorth())];
    return edges.map((edge) => +edge.toFixed(3)).join();
  }

  show(found) {
    const features = found.map(({ lat, lon, ...properties }) => ({ type: "Feature", geometry: { type: "Point", coordinates: [lon, lat] }, properties }));
    this.map.getSource("events").setData({ type: "FeatureCollection", features });
    this.map.getContainer().dataset.events = features.length;
  }

  tell(event) {
    if (this.busy()) return;
    const reach = [[event.point.x - 8, event.point.y - 8], [event.point.x + 8, event.point.y + 8]];
    const found = this.map.queryRenderedFeatures(reach, { layers: ["events"] });
    if (!found.length) return;
    const lines = document.createElement("div");
    for (const { properties } of found.slice(0, 5)) lines.appendChild(document.createElement("p")).textContent = `${clock(properties.at)} ${properties.text}`;
    const places = found.map((one) => one.geometry.coordinates);
    new Popup({ className: "event", maxWidth: "320px" }).setLngLat(new LngLatBounds(places[0], places[0]).getCenter()).setDOMContent(lines).addTo(this.map);
  }
}
