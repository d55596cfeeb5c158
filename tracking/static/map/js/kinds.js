// What there is to show: kinds, categories with their colours and shapes, and the words for codes.

export const VESSEL = 0, AIRCRAFT = 1, STATION = 2;
export const KINDS = ["vessel", "aircraft", "station"];
export const UNKNOWN = -32768;

// id, label, colour on the dark map, on the light one, shape
export const CATEGORIES = [
  ["cargo", "Cargo", "#57c785", "#1f8a4c"],
  ["tanker", "Tanker", "#f2735f", "#c8402b"],
  ["passenger", "Passenger", "#5b9dff", "#1f63d0"],
  ["fast", "High speed", "#f4c84f", "#a87500"],
  ["fishing", "Fishing", "#f39cc4", "#b8447f"],
  ["service", "Service", "#4fd0c7", "#0f8179"],
  ["leisure", "Leisure", "#b79bf7", "#7344cf"],
  ["other", "Other", "#a3b0c2", "#5d6b7d"],
];

/** The category of an AIS ship type (ITU-R M.1371-5, table 53). */
export function categoryOf(type) {
  const tens = Math.floor(type / 10);
  if (tens === 7) return 0;
  if (tens === 8) return 1;
  if (tens === 6) return 2;
  if (tens === 4 || tens === 2) return 3;
  if (type === 30) return 4;
  if (type === 36 || type === 37) return 6;
  return tens === 5 || (type > 30 && type < 36) ? 5 : 7;
}

const TYPES = {
  30: "Fishing", 31: "Towing", 32: "Towing, long", 33: "Dredging", 34: "Diving", 35: "Military", 36: "Sailing",
  37: "Pleasure craft", 50: "Pilot vessel", 51: "Search and rescue", 52: "Tug", 53: "Port tender", 54: "Anti-pollution",
  55: "Law enforcement", 58: "Medical transport",
};
const TENS = { 2: "Wing in ground", 4: "High-speed craft", 6: "Passenger ship", 7: "Cargo ship", 8: "Tanker", 9: "Other type" };

/** The word for a ship type, with its code; null where it is unknown. */
export function typeWord(type) {
  const word = TYPES[type] ?? TENS[Math.floor(type / 10)];
  return type > 0 ? `${word ?? "Reserved type"} (${type})` : null;
}

const STATUS = [
  "Under way, engine", "At anchor", "Not under command", "Restricted manoeuvrability", "Constrained by draught", "Moored",
  "Aground", "Fishing", "Under way, sailing", null, null, "Towing astern", "Pushing ahead", null, "AIS-SART active",
];
export const statusWord = (status) => (STATUS[status] ? `${STATUS[status]} (${status})` : null);
export const LYING = new Set([1, 5, 6]);

const SQUAWKS = { 7500: "Hijacking", 7600: "Radio failure", 7700: "Emergency" };

/** What an emergency is called; null where there is none. */
export function emergencyOf(kind, id, squawk, status) {
  if (kind === AIRCRAFT) return SQUAWKS[squawk] ?? null;
  if (id.startsWith("970")) return "Search and rescue transponder";
  if (id.startsWith("972")) return "Man overboard";
  if (id.startsWith("974")) return "EPIRB";
  return kind === VESSEL && status === 14 ? "AIS-SART active" : null;
}

const read = {}; // colours that were asked for before: every update asks for thousands

// Feet, dark, light. Warm is low, as users of tar1090 know it; two stops more where it matters to look closely.
const ALTITUDES = [
  [0, "#ff8a3c", "#d9540b"], [1000, "#ffa040", "#cf6a00"], [2000, "#ffb94a", "#c07c00"], [4000, "#ffd054", "#a88400"],
  [10000, "#a4df62", "#4c9413"], [20000, "#3fd0b6", "#0b8f7d"], [30000, "#55acff", "#1569c7"], [40000, "#a685ff", "#6a3fd4"],
  [47000, "#ff7ad9", "#bf2a92"],
].map(([feet, dark, light]) => [feet, rgb(dark), rgb(light)]);
export const GROUND = ["#97a3b4", "#667385"];
export const STATIONS = { base: ["#8fb3d9", "#3f6b97"], aid: ["#e58ff0", "#a33cb0"] };
export const ALARM = "#ff2d55";

export function rgb(hex) {
  return (read[hex] ??= [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
}

/** The colour of an altitude in feet. */
export function altitudeColour(feet, dark) {
  const theme = dark ? 1 : 2, next = ALTITUDES.findIndex(([limit]) => feet < limit);
  if (next <= 0) return ALTITUDES[next === 0 ? 0 : ALTITUDES.length - 1][theme];
  const [low, high] = [ALTITUDES[next - 1], ALTITUDES[next]], part = (feet - low[0]) / (high[0] - low[0]);
  return low[theme].map((value, channel) => Math.round(value + (high[theme][channel] - value) * part));
}

// Shapes on a field of 100 by 100, north up, the target's place in the middle.
export const SHAPES = {
  cargo: "M50 6C58 14 64 24 64 34V88Q64 94 58 94H42Q36 94 36 88V34C36 24 42 14 50 6Z",
  tanker: "M50 5C62 15 67 27 67 40V80Q67 95 50 95Q33 95 33 80V40C33 27 38 15 50 5Z",
  passenger: "M50 4C60 18 66 31 66 46L62 92Q50 98 38 92L34 46C34 31 40 18 50 4Z",
  fast: "M50 3L71 93L50 79L29 93Z",
  fishing: "M50 12C63 25 67 39 67 54L62 87H38L33 54C33 39 37 25 50 12Z",
  service: "M50 13C65 22 69 36 69 49V78Q69 87 60 87H40Q31 87 31 78V49C31 36 35 22 50 13Z",
  leisure: "M50 9C61 30 67 52 62 88L50 80L38 88C33 52 39 30 50 9Z",
  other: "M50 8L69 90L50 79L31 90Z",
  lying: "M50 27A23 23 0 1 1 49.9 27Z",
  jet: "M50 3C54 4 56 10 56 18V36L95 63V71L56 59L55 79L69 89V95L50 90L31 95V89L45 79L44 59L5 71V63L44 36V18C44 10 46 4 50 3Z",
  heli: "M50 25C59 25 63 34 63 44C63 54 57 60 54 64V84L62 88V94H38V88L46 84V64C43 60 37 54 37 44C37 34 41 25 50 25ZM14 12L19 7L93 81L88 86ZM86 12L81 7L7 81L12 86Z",
  aid: "M50 12L82 50L50 88L18 50Z",
  base: "M50 14L84 82H16Z",
  dart: "M50 5L80 92L50 73L20 92Z",
  alarm: "M50 6A44 44 0 1 1 49.9 6Z",
  heavy: "M50 2C55 4 57 10 57 20V35L97 67V76L57 61L56 80L73 92V98L50 92L27 98V92L44 80L43 61L3 76V67L43 35V20C43 10 45 4 50 2Z",
  prop: "M50 5C54 7 55 13 55 20V37L94 42V51L55 55L54 80L67 87V93L50 90L33 93V87L46 80L45 55L6 51V42L45 37V20C45 13 46 7 50 5Z",
  light: "M50 14C53 14 55 18 55 25V36H90V48H55L53 76H64V84H36V76H47L45 48H10V36H45V25C45 18 47 14 50 14Z",
  glider: "M50 15C53 16 54 22 54 30V40L99 44V49L54 51L52 80H62V86H38V80H48L46 51L1 49V44L46 40V30C46 22 47 16 50 15Z",
  hull: "M50 0C56 8 62 18 62 30V96Q62 100 58 100H42Q38 100 38 96V30C38 18 44 8 50 0Z",
};
export const SHAPE = Object.fromEntries(Object.keys(SHAPES).map((name, place) => [name, place]));

/** Colours of things that are told apart and have no order, the accent first. Dark, light. */
export const SERIES = [["#38bdf8", "#0369a1"], ["#ffb03a", "#c26f00"], ["#a685ff", "#6a3fd4"], ["#4ade80", "#15803d"], ["#ff7ad9", "#bf2a92"], ["#c9d94a", "#7f8b00"], ["#ff8a6b", "#c8402b"]];
