// The last track of one ship or aircraft on the map's own basemap. Asked for once; a page without WebGL says the words.

import { Map as WorldMap } from "../map/vendor/maplibre-gl-6.17.0/maplibre-gl.mjs";
import { style } from "../map/js/style.js";
import { clock, count } from "./format.js";

const POINTS = 600, GAP_SECONDS = 3600;
const box = document.getElementById("track-map"), told = document.getElementById("track-told");
const theme = document.documentElement.classList.contains("dark") ? "dark" : "light";

// Lines of places, cut where nothing was heard for long, unrolled over the antimeridian.
function pieces(points) {
  const lines = [];
  let turn = 0, last = null;
  for (const point of points) {
    if (last && Math.abs(point.longitude - last.longitude) > 180) turn += point.longitude < last.longitude ? 360 : -360;
    const at = Date.parse(point.timestamp) / 1000;
    if (!last || at - last.at > GAP_SECONDS) lines.push([]);
    lines.at(-1).push([point.longitude + turn, point.latitude]);
    last = { longitude: point.longitude, at };
  }
  return lines;
}

const feature = (type, coordinates) => ({ type: "Feature", properties: {}, geometry: { type, coordinates } });

function draw(lines) {
  const places = lines.flat(), edge = (of, axis) => of(...places.map((place) => place[axis]));
  const map = new WorldMap({
    container: box, style: style(theme, box.dataset.tiles), maxZoom: 14, maxPitch: 0, fadeDuration: 0, attributionControl: false, dragRotate: false,
    bounds: [edge(Math.min, 0), edge(Math.min, 1), edge(Math.max, 0), edge(Math.max, 1)], fitBoundsOptions: { padding: 40, maxZoom: 9 },
  });
  map.scrollZoom.disable(); // the page scrolls
  map.on("load", () => {
    map.getSource("trail").setData({ type: "FeatureCollection", features: lines.filter((line) => line.length > 1).map((line) => feature("LineString", line)) });
    map.addSource("end", { type: "geojson", data: feature("Point", places.at(-1)) });
    map.addLayer({ id: "end", type: "circle", source: "end", paint: { "circle-radius": 6, "circle-color": theme === "dark" ? "#38bdf8" : "#0369a1", "circle-stroke-color": theme === "dark" ? "#f4f8fc" : "#ffffff", "circle-stroke-width": 2 } });
    box.dataset.drawn = places.length;
  });
}

async function show() {
  const answer = await fetch(`${box.dataset.track}?points=${POINTS}`, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(answer.status === 403 ? "You may not see its track." : "Its track is not known now.");
  const { points } = await answer.json();
  if (!points.length) { box.hidden = true; told.textContent = "No position is stored of the day before it was last seen."; return; }
  told.textContent = `${count(points.length)} positions, ${clock(Date.parse(points[0].timestamp), true)} to ${clock(Date.parse(points.at(-1).timestamp), true)} UTC`;
  draw(pieces(points));
}

show().catch((error) => { told.textContent = `The track cannot be drawn: ${error.message}`; });
