// The basemap as a style of MapLibre: everything from here, two palettes over the same layers.

const PALETTES = {
  dark: { sea: "#0a121d", land: "#1a2533", shore: "#33465d", lake: "#0c1623", river: "#152335", border: "#3a4d66", grid: "#142130", place: "#8593a6", halo: "#101926", airport: "#5f7188", accent: "#38bdf8" },
  light: { sea: "#cfdde9", land: "#f5f3ee", shore: "#a9b7c4", lake: "#d9e5ee", river: "#c9d9e6", border: "#b9bec4", grid: "#c2d2df", place: "#4c5a6a", halo: "#ffffff", airport: "#7d8998", accent: "#0369a1" },
};
export const EMPTY = { type: "FeatureCollection", features: [] };
export const accent = (theme) => PALETTES[theme].accent;

export function style(theme, tiles) {
  const p = PALETTES[theme], by = (...stops) => ["interpolate", ["linear"], ["zoom"], ...stops];
  const base = (id, type, layer, more) => ({ id, type, source: "base", "source-layer": layer, ...more });
  const line = (id, paint, layout) => ({ id, type: "line", source: id, paint, layout: { "line-cap": "round", "line-join": "round", ...layout } });
  return {
    version: 8,
    sources: {
      base: { type: "vector", tiles: [tiles.replace("/0/0/0", "/{z}/{x}/{y}")], url: tiles.replace("/0/0/0", ".json"), attribution: "" }, // which says maxzoom
      ...Object.fromEntries(["grid", "blind", "reach", "rings", "ahead", "trail", "points", "ruler"].map((name) => [name, { type: "geojson", data: name === "grid" ? graticule() : EMPTY }])),
    },
    layers: [
      { id: "sea", type: "background", paint: { "background-color": p.sea } },
      base("land", "fill", "land", { paint: { "fill-color": p.land } }),
      base("lakes", "fill", "lakes", { paint: { "fill-color": p.lake } }),
      base("rivers", "line", "rivers", { minzoom: 4, paint: { "line-color": p.river, "line-width": by(4, 0.4, 9, 1.6) } }),
      line("grid", { "line-color": p.grid, "line-width": 1 }),
      base("shore", "line", "land", { paint: { "line-color": p.shore, "line-width": by(2, 0.5, 8, 1.2) } }),
      base("borders", "line", "borders", { paint: { "line-color": p.border, "line-width": by(2, 0.5, 8, 1.2), "line-dasharray": [4, 2] } }),
      base("airports", "circle", "airports", { minzoom: 5.5, paint: { "circle-radius": by(5, 1.5, 10, 3.5), "circle-color": p.land, "circle-stroke-color": p.airport, "circle-stroke-width": 1 } }),
      { id: "blind", type: "fill", source: "blind", paint: { "fill-pattern": "hatch", "fill-opacity": 0.55 } },
      { id: "reach", type: "fill", source: "reach", filter: ["==", ["get", "part"], "usual"], paint: { "fill-color": ["coalesce", ["get", "colour"], p.accent], "fill-opacity": 0.14 } },
      { ...line("reach", { "line-color": ["coalesce", ["get", "colour"], p.accent], "line-width": 1.6 }), id: "reach-furthest", filter: ["==", ["get", "part"], "furthest"] },
      { id: "antennas", type: "circle", source: "reach", filter: ["==", ["get", "part"], "antenna"], paint: { "circle-radius": 3.5, "circle-color": ["coalesce", ["get", "colour"], p.accent], "circle-stroke-color": p.halo, "circle-stroke-width": 1.5 } },
      line("rings", { "line-color": p.place, "line-width": 1, "line-dasharray": [2, 3], "line-opacity": 0.7 }),
      line("ahead", { "line-color": p.accent, "line-width": 1.5, "line-dasharray": [2, 2], "line-opacity": 0.85 }),
      { ...line("trail", { "line-color": p.halo, "line-width": 5, "line-opacity": 0.55 }), id: "trail-case" },
      line("trail", { "line-color": ["coalesce", ["get", "colour"], p.accent], "line-width": 2.5 }),
      { id: "points", type: "circle", source: "points", minzoom: 8.5, paint: { "circle-radius": by(9, 1.8, 13, 3.6), "circle-color": p.halo, "circle-stroke-color": ["coalesce", ["get", "colour"], p.accent], "circle-stroke-width": 1.4 } },
      line("ruler", { "line-color": p.accent, "line-width": 2, "line-dasharray": [3, 2] }),
      base("places", "symbol", "places", {
        filter: [">=", ["zoom"], ["get", "z"]],
        layout: { "text-field": ["get", "name"], "text-font": ["Inter"], "text-size": by(3, 10.5, 9, 12.5), "text-padding": 8, "text-max-width": 7, "symbol-sort-key": ["get", "z"] },
        paint: { "text-color": p.place, "text-halo-color": p.halo, "text-halo-width": 1.2 },
      }),
      {
        id: "antenna-names", type: "symbol", source: "reach", filter: ["==", ["get", "part"], "antenna"],
        layout: { "text-field": ["get", "feed"], "text-font": ["Inter"], "text-size": 12, "text-offset": [0, 0.7], "text-anchor": "top" },
        paint: { "text-color": ["coalesce", ["get", "colour"], p.accent], "text-halo-color": p.halo, "text-halo-width": 1.4 },
      },
      base("codes", "symbol", "airports", {
        minzoom: 7.5,
        layout: { "text-field": ["get", "code"], "text-font": ["Inter"], "text-size": 10.5, "text-offset": [0, 0.9], "text-anchor": "top" },
        paint: { "text-color": p.airport, "text-halo-color": p.halo, "text-halo-width": 1.2 },
      }),
    ],
  };
}

/** Change the palette without a new style, so that nothing flickers. */
export function repaint(map, theme, tiles) {
  for (const layer of style(theme, tiles).layers) for (const [name, value] of Object.entries(layer.paint)) map.setPaintProperty(layer.id, name, value);
}

function graticule() {
  const line = (coordinates) => ({ type: "Feature", properties: {}, geometry: { type: "LineString", coordinates } });
  const steps = (from, to) => Array.from({ length: (to - from) / 15 + 1 }, (_, number) => from + 15 * number);
  return { type: "FeatureCollection", features: [...steps(-180, 165).map((lon) => line([[lon, -85], [lon, 85]])), ...steps(-75, 75).map((lat) => line([[-180, lat], [180, lat]]))] };
}
