// The drawing: Plotly on a time axis in milliseconds, labelled by the clocks of the chosen zone. Values are drawn as
// what they are: one for the whole of an event, so steps; where nothing is known, nothing is drawn.

import { ticks } from "./times.js";

const QUIET = { displayModeBar: false, responsive: true, doubleClick: false, showTips: false };

/** x and y of the steps of a series on a grid; only events with lo <= start < hi. */
export function steps({ start, resolution }, values, lo = -Infinity, hi = Infinity) {
  const x = [], y = [];
  let open = false;
  const first = Math.max(0, Math.ceil((lo - start) / resolution));
  const last = Math.min(values.length, Math.ceil((hi - start) / resolution));
  for (let index = first; index < last; index += 1) {
    const value = values[index], at = start + index * resolution;
    if (value === null) {
      if (open) { x.push(at, at); y.push(values[index - 1], null); }
      open = false;
    } else {
      x.push(at); y.push(value);
      open = true;
    }
  }
  if (open) { x.push(start + last * resolution); y.push(values[last - 1]); }
  return { x, y };
}

export class Chart {
  /**
   * @param onView called with [from, to] when the user has zoomed or moved
   * @param onCursor called with an instant when the pointer is over the chart, with null when it leaves
   */
  constructor(element, { zone, unit, onView, onCursor, onMoved }) {
    Object.assign(this, { element, zone, unit, onView, onCursor, onMoved });
    this.view = [0, 1];
    this.low = this.high = null;
    this.dragMode = matchMedia("(pointer: coarse)").matches ? "pan" : "zoom";
    this.lines = [];
    this.drawn = false;
    element.addEventListener("pointermove", (event) => this.#point(event));
    element.addEventListener("pointerdown", (event) => this.#point(event));
    element.addEventListener("pointerleave", () => onCursor(null));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { this.readColours(); this.redraw(); });
    this.readColours();
  }

  readColours() {
    const style = getComputedStyle(document.documentElement);
    this.colours = (name) => style.getPropertyValue(`--${name}`).trim();
  }

  /** Show from … to; the height fits what is drawn from then on. */
  show(from, to, { low = null, high = null } = {}) {
    this.view = [from, to];
    this.low = low;
    this.high = high;
  }

  /** Make room for values, without ever taking any away while the view stays. */
  fit(values) {
    for (const value of values) {
      if (value === null) continue;
      if (this.low === null || value < this.low) this.low = value;
      if (this.high === null || value > this.high) this.high = value;
    }
  }

  /** @param lines each {x, y, colour, width, opacity, dash, name, filled}; always as many in the same order while playing */
  draw(lines) {
    this.lines = lines;
    this.redraw();
  }

  redraw() {
    const traces = this.lines.map(({ x, y, colour, width = 1.75, opacity = 1, dash = "solid", name = "", filled = false }) => ({
      type: "scatter", mode: "lines", x, y, name, opacity, hoverinfo: "skip", showlegend: false, connectgaps: false,
      line: { color: this.colours(colour), width, dash, shape: "hv", simplify: false },
      fill: filled ? "tozeroy" : "none", fillcolor: `${this.colours(colour)}33`,
    }));
    Plotly.react(this.element, traces, this.#layout(), QUIET);
    if (!this.drawn) {
      this.drawn = true;
      this.element.on("plotly_relayout", (change) => this.#relayout(change));
      this.element.on("plotly_relayouting", () => this.onMoved());
      this.element.on("plotly_afterplot", () => this.onMoved());
      this.element.on("plotly_doubleclick", () => this.onView(null));
    }
  }

  #layout() {
    const ink = this.colours("ink"), muted = this.colours("muted"), line = this.colours("line");
    const narrow = this.element.clientWidth < 560;
    const labels = ticks(this.view[0], this.view[1], this.zone, this.element.clientWidth / (narrow ? 78 : 96));
    const low = this.low ?? 0, high = this.high ?? 1;
    const room = (high - low || Math.abs(high) || 1) * 0.06;
    return {
      height: this.element.clientHeight, autosize: true, margin: { l: narrow ? 44 : 56, r: 10, t: 30, b: 40 },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, hovermode: false, dragmode: this.dragMode,
      font: { family: "system-ui, sans-serif", size: 12, color: muted },
      xaxis: {
        type: "linear", range: [...this.view], tickmode: "array", tickvals: labels.map(([at]) => at), ticktext: labels.map(([, text]) => text),
        gridcolor: line, zeroline: false, showline: true, linecolor: muted, ticks: "outside", ticklen: 4, tickcolor: muted, tickangle: 0, automargin: false,
      },
      yaxis: {
        range: [low - room, high + room], fixedrange: true, gridcolor: line, zeroline: true, zerolinecolor: muted, zerolinewidth: 1,
        ticksuffix: "", separatethousands: true, nticks: 8, automargin: "left",
      },
      annotations: [{
        text: this.unit, xref: "paper", yref: "paper", x: 0, y: 1, xanchor: "left", yanchor: "bottom", yshift: 4, showarrow: false,
        font: { color: ink, size: 12 },
      }],
      selectdirection: "h",
    };
  }

  #relayout(change) {
    const from = change["xaxis.range[0]"] ?? change["xaxis.range"]?.[0], to = change["xaxis.range[1]"] ?? change["xaxis.range"]?.[1];
    if (from === undefined || to === undefined) return;
    this.onView([Math.round(Number(from)), Math.round(Number(to))]);
  }

  setDragMode(mode) {
    this.dragMode = mode;
    if (this.drawn) Plotly.relayout(this.element, { dragmode: mode });
  }

  get #axis() {
    return this.element._fullLayout?.xaxis;
  }

  /** Where an instant lies: pixels from the left of the element, and the plot's edges. */
  place(instant) {
    const axis = this.#axis, size = this.element._fullLayout?._size;
    if (!axis || !size) return null;
    return { left: size.l + axis.d2p(instant), from: size.l, to: size.l + size.w, top: size.t, height: size.h };
  }

  /** The instant at so many pixels from the left of the element. */
  instantAt(left) {
    const axis = this.#axis, size = this.element._fullLayout?._size;
    return axis && size ? axis.p2d(Math.min(Math.max(left - size.l, 0), size.w)) : null;
  }

  #point(event) {
    const size = this.element._fullLayout?._size;
    if (!size) return;
    const left = event.clientX - this.element.getBoundingClientRect().left;
    this.onCursor(left >= size.l && left <= size.l + size.w ? this.instantAt(left) : null);
  }
}
