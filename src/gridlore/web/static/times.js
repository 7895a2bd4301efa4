// Instants on the clocks of a time zone. An instant is milliseconds since 1970-01-01T00:00Z; a wall time is what
// a clock shows, written as if it were UTC, also in milliseconds.

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

const formats = new Map();
const offsets = new Map();

function formatter(zone, options) {
  const key = zone + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options }));
  return formats.get(key);
}

const CLOCK = {
  hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit",
};

/** How far the clocks of the zone are ahead of UTC then. */
export function offset(instant, zone) {
  if (zone === "UTC") return 0;
  const quarter = Math.floor(instant / (15 * MINUTE)); // no zone changes its clocks within a quarter of an hour
  const key = `${zone} ${quarter}`;
  if (!offsets.has(key)) {
    if (offsets.size > 20000) offsets.clear();
    const parts = {};
    for (const { type, value } of formatter(zone, CLOCK).formatToParts(quarter * 15 * MINUTE)) parts[type] = Number(value);
    const shown = Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute, parts.second);
    offsets.set(key, shown - quarter * 15 * MINUTE);
  }
  return offsets.get(key);
}

/** What the clocks show. */
export const wall = (instant, zone) => instant + offset(instant, zone);

/** When the clocks show that: the first of two times when they are put back; later when they skip it. */
export function instantOf(shown, zone) {
  const before = shown - offset(shown - DAY, zone);
  if (wall(before, zone) === shown) return before;
  const after = shown - offset(shown + DAY, zone);
  return wall(after, zone) === shown ? after : before;
}

/** Calendar day as yyyy-mm-dd. */
export const dayOf = (instant, zone) => new Date(wall(instant, zone)).toISOString().slice(0, 10);

/** A calendar day so many days and months later; a day that a month lacks becomes its last. */
export function addToDay(day, { days = 0, months = 0 }) {
  const [year, month, date] = day.split("-").map(Number);
  const lastOfMonth = new Date(Date.UTC(year, month + months, 0)).getUTCDate();
  return new Date(Date.UTC(year, month - 1 + months, Math.min(date, lastOfMonth) + days)).toISOString().slice(0, 10);
}

/** The value of an <input type="datetime-local">. */
export const toField = (instant, zone) => new Date(wall(instant, zone)).toISOString().slice(0, 16);

export function fromField(text, zone) {
  const shown = Date.parse(`${text}Z`);
  return Number.isNaN(shown) ? null : instantOf(shown, zone);
}

export const clock = (instant, zone) => formatter(zone, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(instant);
export const dayName = (instant, zone) => formatter(zone, { weekday: "short", day: "numeric", month: "short" }).format(instant);
export const longDay = (instant, zone) =>
  formatter(zone, { weekday: "short", day: "numeric", month: "short", year: "numeric" }).format(instant);

/** Day, time and the name of the clock, such as CET or CEST: tells apart the two hours of one name. */
export const moment = (instant, zone) =>
  formatter(zone, {
    weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZoneName: "short",
  }).format(instant);

/** An instant as the API takes it. */
export const iso = (instant) => new Date(instant).toISOString().replace(".000Z", "Z");

/** A span as an ISO 8601 duration. */
export function isoSpan(span) {
  const days = Math.floor(span / DAY), hours = Math.floor((span % DAY) / HOUR), minutes = Math.floor((span % HOUR) / MINUTE);
  const seconds = (span % MINUTE) / SECOND;
  const time = (hours ? `${hours}H` : "") + (minutes ? `${minutes}M` : "") + (seconds ? `${seconds}S` : "");
  return `P${days ? `${days}D` : ""}${time ? `T${time}` : days ? "" : "T0S"}`;
}

/** A span in few letters: 15 min, 6 h, 2 d. */
export function short(span) {
  if (span >= 2 * DAY && span % DAY === 0) return `${span / DAY} d`;
  if (span >= HOUR) return `${+(span / HOUR).toFixed(2)} h`;
  return span >= MINUTE ? `${+(span / MINUTE).toFixed(2)} min` : `${+(span / SECOND).toFixed(2)} s`;
}

const WITHIN_A_DAY = [1, 5, 10, 15, 30, 60, 120, 180, 360, 720].map((minutes) => minutes * MINUTE);
const DAYS = [1, 2, 7, 14];
const MONTHS = [1, 2, 3, 6, 12, 24, 60, 120, 300];

/** Ticks for an axis from one instant to another: about ``count`` in ``from`` … ``to``, on round clock times. */
export function ticks(from, to, zone, count) {
  const room = (to - from) / Math.max(1, count);
  const low = from - (to - from), high = to + (to - from); // so that there are some when the chart is dragged
  const step = WITHIN_A_DAY.find((each) => each >= room);
  if (step) return ticksWithinDays(low, high, from, zone, step);
  const days = DAYS.find((each) => each * DAY >= room);
  return days ? ticksByDay(low, high, zone, days) : ticksByMonth(low, high, zone, MONTHS.find((each) => each * 28 * DAY >= room) ?? 300);
}

function ticksWithinDays(low, high, from, zone, step) {
  const found = [];
  let dated = false;
  for (let day = Math.floor(wall(low, zone) / DAY) * DAY; day <= wall(high, zone); day += DAY) {
    for (let shown = day; shown < day + DAY; shown += step) {
      const instant = instantOf(shown, zone);
      if (instant < low || instant > high || wall(instant, zone) !== shown) continue;
      const first = !dated && instant >= from; // the leftmost in view always tells its day
      dated ||= first;
      found.push([instant, clock(instant, zone) + (shown === day || first ? `<br>${dayName(instant, zone)}` : "")]);
    }
  }
  return found;
}

function ticksByDay(low, high, zone, days) {
  const found = [];
  const monday = 4; // 1970-01-05
  for (let number = Math.floor(wall(low, zone) / DAY); number * DAY <= wall(high, zone); number += 1) {
    if ((number - monday) % days) continue;
    const instant = instantOf(number * DAY, zone);
    const [weekday, ...date] = dayName(instant, zone).replace(",", "").split(" ");
    found.push([instant, days < 7 ? `${weekday}<br>${date.join(" ")}` : date.join(" ")]);
  }
  return found;
}

function ticksByMonth(low, high, zone, months) {
  const found = [];
  const first = new Date(wall(low, zone)), last = new Date(wall(high, zone));
  const end = last.getUTCFullYear() * 12 + last.getUTCMonth();
  for (let month = first.getUTCFullYear() * 12 + first.getUTCMonth(); month <= end; month += 1) {
    if (month % months) continue;
    const instant = instantOf(Date.UTC(Math.floor(month / 12), month % 12, 1), zone);
    const name = formatter(zone, { month: "short" }).format(instant);
    const year = Math.floor(month / 12);
    found.push([instant, months >= 12 ? `${year}` : month % 12 === 0 ? `${name}<br>${year}` : name]);
  }
  return found;
}
