// The page of a sensor: which period, in which time zone, as known when; and what follows from that.

import { Chart, steps } from "./chart.js";
import { Frames, bySeries, fetchJson, keyOf } from "./frames.js";
import { Quality, make, number, swatch } from "./quality.js";
import { DAY, HOUR, MINUTE, addToDay, clock, dayOf, iso, isoSpan, longDay, moment, offset, short } from "./times.js";
import { Travel } from "./travel.js";

const $ = (id) => document.getElementById(id);
const page = $("sensor");

const MEASURED = ["series-1", "series-6", "series-5"], FORECAST = ["series-2", "series-3", "series-4", "series-5", "series-6"];
const GHOSTS = [0.5, 0.34, 0.22]; // how strongly earlier forecasts are drawn, the latest of them first
const REFRESH = 60000; // ms between looks for news while the newest events are in view
const SHORTEST = 4; // events in view

start();

function start() {
  const about = {
    ...page.dataset, resolution: Number(page.dataset.resolution), first: Number(page.dataset.first), last: Number(page.dataset.last), market: page.dataset.market === "1",
  };
  const asked = new URLSearchParams(location.search);
  const state = { zoneName: asked.get("zone") ?? "sensor", period: asked.get("period"), view: null, base: null, afterwards: true, fan: true, hidden: new Set(), cursor: null };
  const zones = { sensor: about.zone, browser: Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC", utc: "UTC" };
  if (!(state.zoneName in zones)) state.zoneName = "sensor";
  $("zone").value = state.zoneName;
  $("zone").options[1].textContent = `${zones.browser} (mine)`;
  const zone = () => zones[state.zoneName];
  let loading = null, waiting = null;

  const chart = new Chart($("chart"), { zone: zone(), unit: about.unit, onView: zoomed, onCursor: point, onMoved: placeMarks });
  const travel = new Travel(
    { slider: $("slider"), play: $("play"), present: $("present"), prior: $("prior"), speed: $("speed"), from: $("slider-from"), to: $("slider-to") },
    { zone: zone(), onMove: moveLine, onFrame: drawFrame, onSettle: settled, onError: complain },
  );
  const quality = new Quality($("quality"), { colours: (name) => chart.colours(name), colourOf: (id) => state.colours?.get(`forecast ${id}`) ?? "series-2" });

  // Which period

  const points = () => Math.max(300, Math.min(1500, Math.round($("chart").clientWidth * 1.35)));
  const horizon = () => Math.round(Math.max(0, Math.min(8760, Number($("ahead").value) || 0)) * HOUR);

  function anchor(latest) {
    return dayOf(Math.min(about.last - 1, Date.now() + latest), zone());
  }

  /** First and last calendar day of a quick range: for the day today, for longer ones tomorrow's forecasts too. */
  function daysOf(period) {
    if (period === "all") return { first: dayOf(about.first, zone()), last: dayOf(about.last - 1, zone()) };
    const last = anchor(period === "day" ? 0 : DAY);
    if (period === "day") return { first: last, last };
    if (period === "week") return { first: addToDay(last, { days: -6 }), last };
    return { first: addToDay(addToDay(last, { months: period === "month" ? -1 : -12 }), { days: 1 }), last };
  }

  function showPeriod(period) {
    state.period = period;
    return load(daysOf(period));
  }

  /** @param span {first, last}: calendar days, or {start, end}: instants */
  async function load(span, { quietly = false } = {}) {
    loading?.abort();
    clearTimeout(waiting);
    const own = (loading = new AbortController());
    const query = new URLSearchParams({ timezone: zone(), points: points() });
    for (const [key, value] of Object.entries(span)) query.set(key, typeof value === "number" ? iso(value) : value);
    if (horizon()) query.set("horizon", isoSpan(horizon()));
    if (!quietly) $("drawing").setAttribute("aria-busy", "true");
    try {
      const base = await fetchJson(`/sensors/${about.id}/series.json?${query}`, own.signal);
      if (own === loading) show(base);
    } catch (error) {
      complain(error);
    } finally {
      if (own === loading) $("drawing").removeAttribute("aria-busy");
    }
  }

  function show(base) {
    $("problem").hidden = true;
    state.base = base;
    state.view = [base.start, base.end];
    state.present = bySeries(base.frames[0]);
    nameSeries(base.frames[0].series);
    chart.zone = travel.zone = zone();
    chart.show(base.start, base.end);
    for (const values of state.present.values()) chart.fit(values);
    const slots = base.grid.count * (base.grid.resolution / about.resolution);
    const { start, end } = base, ahead = horizon();
    const frames = new Frames((priors) => {
      const query = new URLSearchParams({ start: iso(start), end: iso(end), points: points() });
      if (ahead) query.set("horizon", isoSpan(ahead));
      for (const prior of priors) query.append("prior", iso(prior));
      return `/sensors/${about.id}/series.json?${query}`;
    }, slots);
    travel.open(frames, { start, end, known: base.known, now: base.now, resolution: base.grid.resolution });
    if (!state.speed) $("speed").value = [...$("speed").options].map(({ value }) => Number(value)).findLast((hours) => hours * HOUR * 20 <= travel.range.hi - travel.range.lo) ?? 1;
    for (const [id, value] of [["first", base.first], ["last", base.last]]) if (document.activeElement !== $(id)) $(id).value = value;
    for (const button of document.querySelectorAll("[data-period]")) button.setAttribute("aria-pressed", String(button.dataset.period === state.period));
    $("grain").textContent = base.grid.resolution === about.resolution ? `every ${short(about.resolution)}` : base.grid.resolution === DAY ? "daily means" : `means of ${short(base.grid.resolution)}`;
    $("nothing").hidden = state.present.size > 0;
    $("chart").setAttribute("aria-label", `Chart of ${about.name} from ${longDay(start, zone())} to ${longDay(end - 1, zone())}: ${state.names.map(({ name }) => name).join(", ") || "nothing known"}`);
    if (travel.prior === null) drawFrame(null);
    else moveLine(travel.prior);
    settled();
    clearTimeout(state.judging);
    state.judging = setTimeout(() => {
      const query = new URLSearchParams({ start: iso(start), end: iso(end) });
      quality.load(`/sensors/${about.id}/quality.json?${query}`, base.first === base.last ? longDay(start, zone()) : `${longDay(start, zone())} to ${longDay(end - 1, zone())}`);
    }, 350);
  }

  /** Names and colours, the same whatever the prior: measured ones first. */
  function nameSeries(series) {
    const counts = { measured: 0, forecast: 0 };
    const only = !series.some(({ kind }) => kind === "measured");
    state.colours ??= new Map();
    state.names = series.map((each) => {
      const key = keyOf(each), place = counts[each.kind]++;
      const palette = each.kind === "measured" ? MEASURED : only ? ["series-1", ...FORECAST] : FORECAST;
      const colour = palette[place % palette.length];
      state.colours.set(key, colour);
      const word = each.kind === "measured" ? "measured" : about.market ? "known ahead" : "forecast";
      return { key, kind: each.kind, source: each.source, colour, name: `${each.source.name}, ${word}`, width: each.kind === "measured" ? 2.25 : 1.75 };
    });
    $("legend").replaceChildren(...state.names.map((each) => {
      const box = make("input", { type: "checkbox", checked: !state.hidden.has(each.key) });
      box.addEventListener("change", () => {
        state.hidden[box.checked ? "delete" : "add"](each.key);
        drawFrame(travel.prior);
      });
      each.output = make("output", { className: "value" });
      const colour = swatch(chart.colours(each.colour));
      colour.dataset.colour = each.colour;
      return make("li", {}, make("label", {}, box, colour, make("span", { className: "name", title: each.name }, make("b", {}, each.source.name), ` ${each.name.slice(each.source.name.length + 2)}`), each.output));
    }));
    const chosen = $("call-of").options.length ? $("call-of").value : null;
    $("call-of").replaceChildren(...state.names.map(({ key, name }) => make("option", { value: key }, name)), make("option", { value: "" }, "the newest belief about each event, of all sources"));
    if ([...$("call-of").options].some((option) => option.value === chosen)) $("call-of").value = chosen;
    else $("call-of").selectedIndex = 0;
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const each of document.querySelectorAll("[data-colour]")) each.style.background = chart.colours(each.dataset.colour);
  });

  // What is drawn

  /** @param prior null: everything known by now */
  function drawFrame(prior) {
    const { grid } = state.base;
    const frame = prior === null ? state.present : travel.frames.get(prior);
    if (!frame) return;
    state.shown = frame;
    const lines = [];
    const add = (each, values, looks, lo, hi) => {
      const drawn = values && !state.hidden.has(each.key) ? steps(grid, values, lo, hi) : { x: [], y: [] };
      if (values) chart.fit(values);
      lines.push({ ...drawn, name: each.name, colour: each.colour, width: grid.count > 900 ? 1.25 : each.width, ...looks });
    };
    const forecasts = state.names.filter(({ kind }) => kind === "forecast"), measured = state.names.filter(({ kind }) => kind === "measured");
    for (let index = GHOSTS.length - 1; index >= 0; index -= 1) {
      const ghost = prior !== null && state.fan ? travel.frames.get(prior - travel.fan[index]) : null;
      for (const each of forecasts) add(each, ghost?.get(each.key), { width: 1.25, opacity: GHOSTS[index] }, prior);
    }
    for (const each of measured) add(each, prior !== null && state.afterwards ? state.present.get(each.key) : null, { width: 2, opacity: 0.6, dash: "2px,3px", filled: true }, prior - grid.resolution);
    for (const each of [...forecasts, ...measured]) add(each, frame.get(each.key), {});
    chart.draw(lines);
    readOut();
  }

  function moveLine(at) {
    state.line = at;
    placeMarks();
    if (state.cursor === null) readOut();
  }

  /** Put the line of the prior, the veil over what was still to come, and the cursor where they belong. */
  function placeMarks() {
    const at = state.line ?? null;
    const place = at === null ? null : chart.place(at);
    $("moment").hidden = !place || place.left < place.from - 1 || place.left > place.to + 1;
    $("veil").hidden = !place || place.left > place.to;
    if (place) {
      const left = Math.max(place.left, place.from);
      Object.assign($("veil").style, { left: `${left}px`, width: `${Math.max(0, place.to - left)}px`, top: `${place.top}px`, height: `${place.height}px` });
      Object.assign($("moment").style, { transform: `translateX(${place.left}px)`, top: `${place.top}px`, height: `${place.height}px` });
      const label = $("moment").firstElementChild;
      label.textContent = travel.label(Math.round(at / MINUTE) * MINUTE);
      const half = label.offsetWidth / 2, width = $("stage").clientWidth;
      label.style.translate = `${Math.min(Math.max(-half, 2 - place.left), width - 2 - place.left - 2 * half)}px`;
    }
    const cursor = state.cursor === null ? null : chart.place(state.cursor);
    $("cursor").hidden = !cursor;
    if (cursor) Object.assign($("cursor").style, { transform: `translateX(${cursor.left}px)`, top: `${cursor.top}px`, height: `${cursor.height}px` });
  }

  function point(instant) {
    state.cursor = instant;
    placeMarks();
    readOut();
  }

  /** Start of the newest event in view that was measured; of the newest up to now, when none was. */
  function newestKnown() {
    const { grid, now, end } = state.base;
    const last = Math.max(-1, ...state.names.filter(({ kind }) => kind === "measured").map(({ key }) => state.shown.get(key)?.findLastIndex((value) => value !== null) ?? -1));
    return last >= 0 ? grid.start + last * grid.resolution : Math.min(now, end - 1);
  }

  /** The values under the cursor; without one those at the prior, or the newest in view. */
  function readOut() {
    if (!state.base || !state.shown) return;
    const { grid } = state.base;
    const travelled = state.line !== null && state.line !== undefined;
    const at = state.cursor ?? (travelled ? state.line - grid.resolution : newestKnown()); // at the line: the last event that was over
    const index = Math.min(grid.count - 1, Math.max(0, Math.floor((at - grid.start) / grid.resolution)));
    const from = grid.start + index * grid.resolution;
    const until = from + grid.resolution;
    const name = offset(from, zone()) === offset(from + DAY, zone()) && offset(from, zone()) === offset(from - DAY, zone()) ? "" : ` ${moment(from, zone()).split(" ").at(-1)}`;
    $("when").textContent = grid.resolution >= DAY ? longDay(from, zone()) : `${longDay(from, zone())} ${clock(from, zone())}–${clock(until, zone())}${name}`;
    for (const each of state.names) {
      const value = state.shown.get(each.key)?.[index] ?? null;
      each.output.textContent = value === null ? "–" : `${number(value)} ${about.unit}`;
    }
  }

  // Zooming and moving

  function zoomed(view) {
    if (view === null) return showPeriod("week");
    state.period = null;
    const { start } = state.base.grid, whole = (instant, round) => start + round((instant - start) / about.resolution) * about.resolution;
    let [from, to] = [whole(view[0], Math.round), whole(view[1], Math.round)];
    const least = SHORTEST * about.resolution, middle = (from + to) / 2;
    if (to - from < least) [from, to] = [whole(middle - least / 2, Math.floor), whole(middle + least / 2, Math.ceil)];
    chart.show(from, to, chart);
    clearTimeout(waiting);
    waiting = setTimeout(() => load({ start: from, end: to }), 120);
  }

  function zoom(factor) {
    const [from, to] = state.view, at = state.cursor ?? state.line ?? (from + to) / 2;
    const middle = at > from && at < to ? at : (from + to) / 2;
    const view = [Math.round(middle - (middle - from) * factor), Math.round(middle + (to - middle) * factor)];
    if (view[1] - view[0] > 150 * 365 * DAY) return;
    state.view = view;
    zoomed(view);
    chart.redraw();
  }

  function shift(count) {
    const { first, last } = state.base;
    if (state.period === "month" || state.period === "year") {
      const months = count * (state.period === "month" ? 1 : 12);
      const end = addToDay(addToDay(last, { days: 1 }), { months });
      return load({ first: addToDay(first, { months }), last: addToDay(end, { days: -1 }) });
    }
    if (state.period === "all" || state.period === null) {
      const [from, to] = state.view, by = Math.round((count * (to - from)) / 2);
      state.period = null;
      return load({ start: from + by, end: to + by });
    }
    const days = count * (state.period === "week" ? 7 : 1);
    return load({ first: addToDay(first, { days }), last: addToDay(last, { days }) });
  }

  for (const button of document.querySelectorAll("[data-period]")) button.addEventListener("click", () => showPeriod(button.dataset.period));
  $("earlier").addEventListener("click", () => shift(-1));
  $("later").addEventListener("click", () => shift(1));
  $("closer").addEventListener("click", () => zoom(0.5));
  $("wider").addEventListener("click", () => zoom(2));
  $("drag").setAttribute("aria-pressed", String(chart.dragMode === "pan"));
  $("drag").addEventListener("click", () => {
    chart.setDragMode(chart.dragMode === "pan" ? "zoom" : "pan");
    $("drag").setAttribute("aria-pressed", String(chart.dragMode === "pan"));
  });
  for (const id of ["first", "last"]) {
    $(id).addEventListener("change", () => {
      if (!$("first").value || !$("last").value) return;
      if ($("last").value < $("first").value) $(id === "first" ? "last" : "first").value = $(id).value;
      state.period = "dates";
      load({ first: $("first").value, last: $("last").value });
    });
  }
  $("zone").addEventListener("change", () => {
    state.zoneName = $("zone").value;
    const { first, last } = state.base ?? {};
    if (state.period === null) load({ start: state.view[0], end: state.view[1] });
    else load({ first, last });
  });
  $("ahead").addEventListener("change", () => load({ start: state.view[0], end: state.view[1] }));
  $("afterwards").addEventListener("change", () => { state.afterwards = $("afterwards").checked; drawFrame(travel.prior); });
  $("fan").addEventListener("change", () => { state.fan = $("fan").checked; drawFrame(travel.prior); });
  $("call-of").addEventListener("change", settled);
  $("speed").addEventListener("change", () => { state.speed = $("speed").value; });

  // The line can be taken hold of

  $("moment").addEventListener("pointerdown", (event) => {
    event.preventDefault();
    travel.pause();
    $("moment").setPointerCapture(event.pointerId);
    const drag = (move) => {
      const instant = chart.instantAt(move.clientX - $("chart").getBoundingClientRect().left);
      if (instant !== null) travel.set(instant);
    };
    $("moment").addEventListener("pointermove", drag);
    $("moment").addEventListener("lostpointercapture", () => $("moment").removeEventListener("pointermove", drag), { once: true });
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const own = event.target.closest("input, select, textarea, button, a, pre, [tabindex]:not(main)");
    const onSlider = event.target === $("slider");
    if (own && !onSlider && !(own === event.target && own.tagName === "DIV" && own.id)) return;
    const big = event.shiftKey ? Math.max(2, Math.round((6 * HOUR) / travel.range.step)) : 1;
    if (event.key === " ") travel.toggle();
    else if (event.key === "ArrowLeft" && (!onSlider || event.shiftKey)) travel.step(-big);
    else if (event.key === "ArrowRight" && (!onSlider || event.shiftKey)) travel.step(big);
    else if (event.key === "Escape") travel.leave();
    else return;
    event.preventDefault();
  });

  // What follows from what is shown

  function settled() {
    if (!state.base) return;
    const { grid, start, end } = state.base;
    const shared = travel.prior === null ? {} : { prior: iso(travel.prior) };
    if (horizon()) shared.horizon = isoSpan(horizon());
    $("csv").href = `/sensors/${about.id}/data.csv?${new URLSearchParams({ start: iso(start), end: iso(end), points: points(), timezone: zone(), ...shared })}`;
    const chosen = state.names.find(({ key }) => key === $("call-of").value);
    const fields = { sensor: about.address, start: iso(grid.start), end: iso(grid.start + grid.count * grid.resolution) };
    if (chosen) {
      fields.kind = chosen.kind;
      if (chosen.source.user !== null) fields.source = chosen.source.user;
    }
    if (grid.resolution !== about.resolution) fields.resolution = isoSpan(grid.resolution);
    if (shared.prior) fields.prior = shared.prior;
    if (shared.horizon && chosen?.kind !== "measured") fields.horizon = shared.horizon;
    const lines = [`curl -s -G ${location.origin}${about.path}`, '-H "Authorization: $TOKEN"', ...Object.entries(fields).map(([key, value]) => `--data-urlencode ${quote(`${key}=${value}`)}`)];
    $("call").textContent = lines.join(" \\\n  ");
    remember();
  }

  const quote = (text) => (/^[\w=:./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

  function remember() {
    const query = new URLSearchParams();
    if (state.period && state.period !== "dates") query.set("period", state.period);
    else if (state.period === "dates") { query.set("first", state.base.first); query.set("last", state.base.last); }
    else { query.set("start", iso(state.view[0])); query.set("end", iso(state.view[1])); }
    if (state.period && state.period !== "all" && state.period !== "dates" && state.base.first !== daysOf(state.period).first) { query.set("first", state.base.first); query.set("last", state.base.last); }
    if (state.zoneName !== "sensor") query.set("zone", state.zoneName);
    if (travel.prior !== null) query.set("prior", iso(travel.prior));
    if (horizon()) query.set("ahead", $("ahead").value);
    history.replaceState(null, "", `?${query}`);
  }

  function complain(error) {
    if (error.name === "AbortError") return;
    $("problem").textContent = error instanceof TypeError ? "The server cannot be reached. Try again in a moment." : error.message;
    $("problem").hidden = false;
  }

  // Begin where the address says

  $("ahead").value = asked.get("ahead") ?? "";
  const prior = Date.parse(asked.get("prior") ?? "");
  if (!Number.isNaN(prior)) travel.prior = prior;
  state.line = travel.prior;
  const from = Date.parse(asked.get("start") ?? ""), to = Date.parse(asked.get("end") ?? "");
  if (asked.get("first") && asked.get("last")) { state.period ??= "dates"; load({ first: asked.get("first"), last: asked.get("last") }); }
  else if (from < to) load({ start: from, end: to });
  else showPeriod(["day", "week", "month", "year", "all"].includes(state.period) ? state.period : "week");

  setInterval(() => {
    const newest = state.base && state.period !== "all" && state.view[1] > Date.now() && travel.prior === null;
    if (newest && !document.hidden && !document.querySelector("#drawing[aria-busy]")) load(state.period ? { first: state.base.first, last: state.base.last } : { start: state.view[0], end: state.view[1] }, { quietly: true });
  }, REFRESH);
  new ResizeObserver(() => { if (state.base) { chart.redraw(); } }).observe($("chart"));
}
