// Numbers, spans and sizes for people. Values enter, short texts leave; a dash stands for what is not known.

export const NONE = "–";
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1, minimumFractionDigits: 1 });

export const count = (value) => (value == null ? NONE : whole.format(value));

// 0.4, 12.3, 412: a rate with as many digits as say something.
export const rate = (value) => (value == null ? NONE : value >= 100 ? whole.format(value) : fine.format(value));

// 0.4 s, 12 s, 3 min, 2 h, 5 d.
export function span(seconds) {
  if (seconds == null) return NONE;
  if (seconds < 9.95) return `${fine.format(seconds)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 129600 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} d`;
}

export function signed(seconds) {
  if (seconds == null) return NONE;
  const text = span(Math.abs(seconds));
  return Math.abs(seconds) < 0.05 ? text : `${seconds < 0 ? "−" : "+"}${text}`;
}

export const share = (value) => (value == null ? NONE : `${fine.format(value * 100)} %`);

// How far from usual: +3 %.
export function against(value, usual) {
  if (value == null || !usual) return NONE;
  const percent = Math.round((value / usual - 1) * 100);
  return `${percent > 0 ? "+" : percent < 0 ? "−" : "±"}${whole.format(Math.abs(percent))} %`;
}

export function bytes(value) {
  if (value == null) return NONE;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let size = value, unit = 0;
  while (size >= 1023.5 && unit < units.length - 1) { size /= 1024; unit += 1; }
  return `${unit && size < 99.5 ? fine.format(size) : whole.format(size)} ${units[unit]}`;
}

const two = (value) => String(value).padStart(2, "0");
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

// A time in UTC: 14:05, with its day where `days` asks for it.
export function clock(ms, days = false) {
  const at = new Date(ms), time = `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`;
  return days ? `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]} ${time}` : time;
}

export function day(iso) {
  const at = new Date(`${iso}T00:00Z`);
  return `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]}`;
}

export const words = (code) => code.replaceAll("_", " ");
