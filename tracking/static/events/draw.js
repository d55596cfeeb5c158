// Draws a geofence: the corners on a map are the GeoJSON in the form's text, either way round.

import { LngLatBounds, Map as WorldMap } from "../map/vendor/maplibre-gl-6.17.0/maplibre-gl.mjs";
import { style } from "../map/js/style.js";

const EMPTY = { type: "FeatureCollection", features: [] };
const COLOUR = "#f59e0b";
const feature = (geometry, properties = {}) => ({ type: "Feature", geometry, properties });
const rounded = (place) => [+place.lng.toFixed(6), +Math.max(-90, Math.min(90, place.lat)).toFixed(6)];
const middle = ([x1, y1], [x2, y2]) => [(x1 + x2) / 2, (y1 + y2) / 2];

class Area {
  constructor(root) {
    Object.assign(this, { root, corners: [], other: null, dragged: -1 });
    this.text = root.querySelector("textarea");
    this.said = root.querySelector("output");
    this.buttons = Object.fromEntries([...root.querySelectorAll("button")].map((button) => [button.dataset.do, button]));
    this.box = root.querySelector(".geofence-map");
    const theme = document.documentElement.classList.contains("dark") ? "dark" : "light";
    this.map = new WorldMap({ container: this.box, style: style(theme, root.dataset.tiles), center: [8, 45], zoom: 2.5, minZoom: 1, maxZoom: 18, maxPitch: 0, fadeDuration: 0, dragRotate: false, doubleClickZoom: false, renderWorldCopies: false, attributionControl: false });
    this.map.touchZoomRotate.disableRotation();
    this.map.on("load", () => this.begin());
    this.text.addEventListener("input", () => this.read());
    this.buttons.undo.addEventListener("click", () => { this.corners.pop(); this.write(); });
    this.buttons.clear.addEventListener("click", () => { this.corners = []; this.other = null; this.write(); });
  }

  begin() {
    this.map.addSource("area", { type: "geojson", data: EMPTY });
    this.map.addLayer({ id: "area", type: "fill", source: "area", filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": COLOUR, "fill-opacity": 0.2 } });
    this.map.addLayer({ id: "edge", type: "line", source: "area", filter: ["!=", ["geometry-type"], "Point"], paint: { "line-color": COLOUR, "line-width": 2 } });
    this.map.addLayer({ id: "middles", type: "circle", source: "area", filter: ["==", ["get", "is"], "middle"], paint: { "circle-radius": 4, "circle-color": COLOUR, "circle-opacity": 0.6 } });
    this.map.addLayer({ id: "corners", type: "circle", source: "area", filter: ["==", ["get", "is"], "corner"], paint: { "circle-radius": 6, "circle-color": "#ffffff", "circle-stroke-color": COLOUR, "circle-stroke-width": 3 } });
    this.map.on("click", (event) => { if (!this.under(event.point)) this.add(event.lngLat); });
    this.map.on("mousedown", (event) => this.take(event));
    this.map.on("touchstart", (event) => this.take(event));
    for (const moved of ["mousemove", "touchmove"]) this.map.on(moved, (event) => this.move(event));
    for (const left of ["mouseup", "touchend"]) this.map.on(left, () => this.drop());
    this.read();
    this.fit();
    this.root.dataset.ready = "";
  }

  /** What lies under a point: a corner, or the middle of an edge, which becomes one. */
  under(point) {
    const reach = [[point.x - 6, point.y - 6], [point.x + 6, point.y + 6]];
    return this.map.queryRenderedFeatures(reach, { layers: ["corners", "middles"] })[0];
  }

  add(place) {
    if (this.other) return;
    this.corners.push(rounded(place));
    this.write();
  }

  take(event) {
    const found = this.under(event.point);
    if (!found || (event.points && event.points.length > 1)) return;
    event.preventDefault(); // the map itself stays where it is
    this.dragged = found.properties.at;
    if (found.properties.is === "middle") this.corners.splice(this.dragged, 0, rounded(event.lngLat));
  }

  move(event) {
    if (this.dragged < 0) { this.box.classList.toggle("on-corner", Boolean(this.under(event.point))); return; }
    this.corners[this.dragged] = rounded(event.lngLat);
    this.write();
  }

  drop() { this.dragged = -1; }

  /** Text to map. A polygon of one ring is drawn on; anything else is shown and left to the text. */
  read() {
    this.corners = []; this.other = null;
    try {
      const found = this.text.value.trim() ? JSON.parse(this.text.value) : null;
      if (found?.type === "Polygon" && found.coordinates?.length === 1) this.corners = found.coordinates[0].slice(0, -1);
      else if (found?.type === "Polygon" || found?.type === "MultiPolygon") this.other = found;
      this.draw(found && !this.other && !this.corners.length ? "That is no polygon." : "");
    } catch { this.draw("That is no GeoJSON."); }
  }

  /** Map to text. */
  write() {
    const ring = [...this.corners, this.corners[0]];
    this.text.value = this.corners.length > 2 ? JSON.stringify({ type: "Polygon", coordinates: [ring] }) : "";
    this.draw();
  }

  shape() {
    if (this.other) return feature(this.other);
    if (this.corners.length > 2) return feature({ type: "Polygon", coordinates: [[...this.corners, this.corners[0]]] });
    return feature({ type: "LineString", coordinates: this.corners.length ? this.corners : [[0, 0], [0, 0]] });
  }

  draw(problem = "") {
    const points = this.corners.map((place, at) => feature({ type: "Point", coordinates: place }, { is: "corner", at }));
    const middles = this.corners.length < 2 ? [] : this.corners.map((place, at) => feature({ type: "Point", coordinates: middle(place, this.corners[(at + 1) % this.corners.length]) }, { is: "middle", at: at + 1 }));
    const all = this.other || this.corners.length ? [this.shape(), ...middles, ...points] : [];
    this.map.getSource("area")?.setData({ type: "FeatureCollection", features: all });
    const left = 3 - this.corners.length;
    this.said.value = problem || (this.other ? "Several rings: edit the text." : left > 0 ? `Click on the map: ${left} more corner${left > 1 ? "s" : ""}.` : `${this.corners.length} corners. Drag one to move it, drag the middle of an edge for one more.`);
    this.buttons.undo.disabled = !this.corners.length;
    this.buttons.clear.disabled = !this.corners.length && !this.other;
  }

  fit() {
    const places = this.other ? this.other.coordinates.flat(this.other.type === "Polygon" ? 1 : 2) : this.corners;
    if (!places.length) return;
    const bounds = places.reduce((box, place) => box.extend(place), new LngLatBounds(places[0], places[0]));
    this.map.fitBounds(bounds, { padding: 60, maxZoom: 13, duration: 0 });
  }
}

for (const root of document.querySelectorAll(".geofence")) root.area = new Area(root);
