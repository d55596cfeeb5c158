// Numbers to text, and text from the radio to text that changes nothing around it.

const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
export const units = { name: "nautical" };
const METRIC = () => units.name === "metric";
const DASH = "–";

/** Text from the radio without control and direction characters. */
export const clean = (text) => String(text ?? "").replace(CONTROLS, "").trim();
export const whole = (value) => Math.round(value).toLocaleString("en");
export const speed = (knots) => (Number.isFinite(knots) ? (METRIC() ? `${(knots * 1.852).toFixed(0)} km/h` : `${knots.toFixed(knots < 100 ? 1 : 0)} kn`) : DASH);
export const course = (degrees) => (Number.isFinite(degrees) ? `${String(Math.round(degrees) % 360).padStart(3, "0")}°` : DASH);
export const altitude = (feet) => (Number.isFinite(feet) ? (METRIC() ? `${whole(feet * 0.3048)} m` : `${whole(feet)} ft`) : DASH);
export const climb = (feet) => (Number.isFinite(feet) ? `${feet > 0 ? "↑ " : feet < 0 ? "↓ " : ""}${METRIC() ? `${(Math.abs(feet) * 0.00508).toFixed(1)} m/s` : `${whole(Math.abs(feet))} ft/min`}` : DASH);
export const distance = (miles) => (METRIC() ? `${(miles * 1.852).toFixed(miles < 5 ? 2 : 1)} km` : `${miles.toFixed(miles < 10 ? 2 : 1)} nm`);

/** How long ago, in the shortest words. */
export function age(seconds) {
  if (!Number.isFinite(seconds)) return DASH;
  const whole_ = Math.max(0, Math.round(seconds));
  if (whole_ < 60) return `${whole_} s`;
  if (whole_ < 3600) return `${Math.floor(whole_ / 60)} min`;
  return whole_ < 172800 ? `${Math.floor(whole_ / 3600)} h` : `${Math.floor(whole_ / 86400)} d`;
}

/** A place in degrees and minutes. */
export function place(lat, lon) {
  const part = (value, width, letters) => {
    const minutes = Math.round(Math.abs(value) * 60000), letter = letters[value < 0 ? 1 : 0];
    return `${String(Math.floor(minutes / 60000)).padStart(width, "0")}°${((minutes % 60000) / 1000).toFixed(3).padStart(6, "0")}′${letter}`;
  };
  return `${part(lat, 2, "NS")} ${part(((((lon + 180) % 360) + 360) % 360) - 180, 3, "EW")}`;
}
export const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 19);
/** A date such as 2026-11-27 as `27 Nov`. */
export const day = (date) => new Date(`${date}T00:00:00Z`).toLocaleString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
/** A moment as `27 Nov 14:05:10`, with its year where that is another. */
export function moment(seconds) {
  const when = new Date(seconds * 1000), year = when.getUTCFullYear();
  const day = `${when.getUTCDate()} ${when.toLocaleString("en", { month: "short", timeZone: "UTC" })}`;
  return `${day}${year === new Date().getUTCFullYear() ? "" : ` ${year}`} ${clock(seconds)}`;
}
