// The small map of a refused position: its identity's positions before and after it, each track a line.

import { Map as SmallMap } from "../vendor/maplibre-gl-6.17.0/maplibre-gl.mjs";
import { style } from "./style.js";

const section = document.getElementById("around"), said = document.getElementById("around-said");
const positions = JSON.parse(section.dataset.positions), refused = positions.find((one) => one.this);
const theme = document.documentElement.classList.contains("dark") ? "dark" : "light";
const COLOURS = { accepted: "#38bdf8", other: "#a78bfa", refused: "#fb923c", this: "#ef4444" };

/** Longitudes go on beyond 180° where the track does. */
const beside = (lon) => { const middle = refused ? refused.lon : positions[0].lon; return lon - 360 * Math.round((lon - middle) / 360); };
const kind = (one) => one.this ? "this" : one.track < 0 ? "refused" : one.track ? "other" : "accepted";
const words = (one) => `${one.time} UTC, ${one.lat.toFixed(5)}° ${one.lon.toFixed(5)}°, ${one.why || (one.track === 9 ? "accepted by hand" : `track ${one.track}`)}`;

function features() {
  const tracks = Map.groupBy(positions.filter((one) => one.track >= 0 && one.track < 9), (one) => one.track);
  const lines = [...tracks.values()].map((track) => ({ type: "Feature", properties: { colour: COLOURS[kind(track[0])] }, geometry: { type: "LineString", coordinates: track.map((one) => [beside(one.lon), one.lat]) } }));
  const points = positions.map((one) => ({ type: "Feature", properties: { colour: COLOURS[kind(one)], size: one.this ? 8 : 4, words: words(one) }, geometry: { type: "Point", coordinates: [beside(one.lon), one.lat] } }));
  return { type: "FeatureCollection", features: [...lines, ...points] };
}

function show() {
  const lons = positions.map((one) => beside(one.lon)), lats = positions.map((one) => one.lat);
  const map = new SmallMap({
    container: "around-map", style: style(theme, section.dataset.tiles), minZoom: 1, maxZoom: 18, maxPitch: 0, attributionControl: false, dragRotate: false,
    bounds: [[Math.min(...lons), Math.min(...lats)], [Math.max(...lons), Math.max(...lats)]], fitBoundsOptions: { padding: 40, maxZoom: 14 },
  });
  map.on("load", () => {
    map.addSource("around", { type: "geojson", data: features() });
    const only = (type) => ["==", ["geometry-type"], type];
    map.addLayer({ id: "around-lines", type: "line", source: "around", filter: only("LineString"), paint: { "line-color": ["get", "colour"], "line-width": 2 } });
    map.addLayer({ id: "around-points", type: "circle", source: "around", filter: only("Point"), layout: { "circle-sort-key": ["get", "size"] }, paint: { "circle-color": ["get", "colour"], "circle-radius": ["get", "size"], "circle-stroke-color": "#ffffff", "circle-stroke-width": 1 } });
    map.on("mousemove", "around-points", (event) => { said.textContent = event.features[0].properties.words; });
    map.once("idle", () => { section.dataset.shown = ""; });
  });
}

said.textContent = refused ? words(refused) : "";
try {
  show();
} catch (error) {
  said.textContent = `The map cannot be drawn here: ${error.message}`;
}
