// The view, the selection and the filters in the address, so that a link shows what its sender saw.
// #zoom/lat/lon&name=value…

export function read() {
  const [view, ...rest] = location.hash.slice(1).split("&");
  const numbers = view.split("/").map(Number);
  const found = Object.fromEntries(rest.map((pair) => pair.split("=").map(decodeURIComponent)).filter(([name]) => name));
  return numbers.length === 3 && numbers.every(Number.isFinite) ? { ...found, view: { zoom: numbers[0], lat: numbers[1], lon: numbers[2] } } : found;
}

export function write(view, values) {
  const told = Object.entries(values).filter(([, value]) => value);
  const text = `#${[`${view.zoom.toFixed(2)}/${view.lat.toFixed(4)}/${view.lon.toFixed(4)}`, ...told.map(([name, value]) => `${name}=${encodeURIComponent(value)}`)].join("&")}`;
  if (text !== location.hash) history.replaceState(null, "", text);
}
