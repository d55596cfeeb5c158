// Mercator, distances and boxes. Numbers in, numbers out; no map and no page.

const RADIANS = Math.PI / 180;
const EARTH_METRES = 40075016.686; // round the equator
const METRES_PER_MILE = 1852;

/** Longitude in degrees to Mercator, 0 to 1 from west to east. */
export const mercatorX = (lon) => (lon + 180) / 360;

/** Latitude in degrees to Mercator, 0 to 1 from north to south; the poles are cut off. */
export function mercatorY(lat) {
  const sine = Math.sin(Math.max(-85.05, Math.min(85.05, lat)) * RADIANS);
  return 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI);
}

export const longitudeOf = (x) => x * 360 - 180;
export const latitudeOf = (y) => Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) / RADIANS;

/** Mercator units a second, eastward and southward, of so many knots on a course at a latitude. */
export function velocity(knots, course, lat) {
  if (!(knots > 0) || !(course >= 0)) return [0, 0];
  const scale = ((knots * METRES_PER_MILE) / 3600 / EARTH_METRES) / Math.max(0.05, Math.cos(lat * RADIANS));
  return [Math.sin(course * RADIANS) * scale, -Math.cos(course * RADIANS) * scale];
}

/** Metres to Mercator units at a latitude. */
export const unitsOf = (metres, lat) => metres / EARTH_METRES / Math.max(0.05, Math.cos(lat * RADIANS));

/** Nautical miles and the first bearing (degrees) along the great circle. */
export function between(lat1, lon1, lat2, lon2) {
  const [a, b, d] = [lat1 * RADIANS, lat2 * RADIANS, (lon2 - lon1) * RADIANS];
  const h = Math.sin((b - a) / 2) ** 2 + Math.cos(a) * Math.cos(b) * Math.sin(d / 2) ** 2;
  const bearing = Math.atan2(Math.sin(d) * Math.cos(b), Math.cos(a) * Math.sin(b) - Math.sin(a) * Math.cos(b) * Math.cos(d));
  return { miles: (2 * Math.asin(Math.min(1, Math.sqrt(h))) * 3440.065), bearing: (bearing / RADIANS + 360) % 360 };
}

/** The place so many nautical miles away on a bearing: [lon, lat]. */
export function beyond(lat, lon, miles, bearing) {
  const [a, d, t] = [lat * RADIANS, miles / 3440.065, bearing * RADIANS];
  const b = Math.asin(Math.sin(a) * Math.cos(d) + Math.cos(a) * Math.sin(d) * Math.cos(t));
  const east = Math.atan2(Math.sin(t) * Math.sin(d) * Math.cos(a), Math.cos(d) - Math.sin(a) * Math.sin(b));
  return [lon + east / RADIANS, b / RADIANS];
}

/** The closed ring of so many nautical miles in each of equal sectors clockwise from north; counted flat, as scorecards do. */
export function around(lat, lon, miles) {
  const degree = 3440.065 * RADIANS, east = Math.max(0.05, Math.cos(lat * RADIANS)) * degree;
  const ring = miles.map((far, number) => {
    const bearing = ((number + 0.5) / miles.length) * 2 * Math.PI;
    return [lon + (far * Math.sin(bearing)) / east, Math.max(-89, Math.min(89, lat + (far * Math.cos(bearing)) / degree))];
  });
  return [...ring, ring[0]];
}

/** The view (degrees, may go beyond 180) widened to a coarse grid, so that neighbours ask for the same box. */
export function snappedBox([west, south, east, north]) {
  if (east - west >= 180) return [-180, -90, 180, 90];
  const step = 2 ** Math.ceil(Math.log2(Math.max(east - west, 0.02) / 4));
  const down = (value) => Math.floor((value - step / 2) / step) * step, up = (value) => Math.ceil((value + step / 2) / step) * step;
  const box = [down(west), Math.max(-90, down(south)), up(east), Math.min(90, up(north))];
  return box[2] - box[0] >= 360 ? [-180, box[1], 180, box[3]] : [wrapped(box[0]), box[1], wrapped(box[2]) || 180, box[3]];
}

const wrapped = (lon) => (lon === 180 ? 180 : ((((lon + 180) % 360) + 360) % 360) - 180);

/** Whether a box holds a view, which may lie in another copy of the world. */
export function holds(box, [west, south, east, north]) {
  if (south < box[1] || north > box[3]) return south >= -90 && north <= 90 ? false : box[1] <= -90 && box[3] >= 90;
  if (box[0] === -180 && box[2] === 180) return true;
  const span = (box[2] - box[0] + 360) % 360 || 360;
  return ((((west - box[0]) % 360) + 360) % 360) + (east - west) <= span;
}

/** Seconds between polls: what the fastest target needs for two pixels at this zoom, between 1.5 and 15. */
export const pollSeconds = (zoom) => Math.min(15, Math.max(1.5, (2 * 78271) / 2 ** zoom / 250));
