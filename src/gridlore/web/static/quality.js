// Forecast quality: errors by how long ahead the forecast was made, as a table and a chart.

import { fetchJson } from "./frames.js";
import { short } from "./times.js";

const MEASURES = { mae: "mean absolute error", rmse: "root mean squared error", bias: "bias" };

export class Quality {
  constructor(element, { colours, colourOf }) {
    Object.assign(this, { element, colours, colourOf });
    this.measure = "mae";
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  async load(url, label) {
    this.asking?.abort();
    this.asking = new AbortController();
    try {
      this.show(await fetchJson(url, this.asking.signal), label);
    } catch (error) {
      if (error.name !== "AbortError") this.element.replaceChildren(make("p", { className: "problem" }, error.message));
    }
  }

  show(quality, label) {
    this.quality = quality;
    const { sources, horizons, few, measured, unit } = quality;
    const most = Math.max(0, ...sources.flatMap((source) => source.errors.map((each) => each.count)));
    if (!measured || !sources.length || !most) {
      const why = !measured
        ? "Nothing was measured in this period, so forecasts cannot be judged."
        : sources.length
          ? "No event of this period was both forecast and measured."
          : "No forecasts were made about this period.";
      this.element.replaceChildren(make("p", { className: "muted" }, why));
      return;
    }
    const intro = make("p", { className: "muted" },
      `Forecast minus measured, over ${label}: ${measured.toLocaleString("en-GB")} of ${quality.slots.toLocaleString("en-GB")} events were measured. `
      + "“24 h ahead” is the newest forecast made at least 24 hours before the end of the event.");
    const choice = make("div", { className: "chips", role: "group", ariaLabel: "Measure" });
    for (const [measure, name] of Object.entries(MEASURES)) {
      const button = make("button", { type: "button" }, name[0].toUpperCase() + name.slice(1));
      button.setAttribute("aria-pressed", String(measure === this.measure));
      button.addEventListener("click", () => { this.measure = measure; this.show(this.quality, label); this.element.querySelector("[aria-pressed=true]").focus(); });
      choice.append(button);
    }
    this.plot = make("div", { className: "plot", role: "img", ariaLabel: `${MEASURES[this.measure]} by horizon; the table has the numbers` });
    const tables = sources.map((source) => this.#table(source, horizons, few, unit, label));
    const notes = [];
    if (sources.some((source) => source.errors.some((each) => each.count && each.count < few)))
      notes.push(make("p", { className: "muted small" }, `* Fewer than ${few} events: too few to say much; hollow in the chart.`));
    this.element.replaceChildren(intro, make("div", { className: "judged" }, make("div", {}, choice, this.plot), make("div", {}, ...tables, ...notes)));
    this.#draw();
  }

  #table(source, horizons, few, unit, label) {
    const head = make("tr", {}, ...["Ahead", "MAE", "RMSE", "Bias", "Events"].map((name, index) => make("th", { scope: "col", className: index ? "number" : "" }, name)));
    const write = writer(source.errors.filter(({ count }) => count).flatMap(({ mae, rmse, bias }) => [mae, rmse, Math.abs(bias)]));
    const rows = horizons.map((horizon, index) => {
      const { count, mae, rmse, bias } = source.errors[index];
      const cells = count ? [write(mae), write(rmse), write(bias, "exceptZero"), count.toLocaleString("en-GB") + (count < few ? " *" : "")] : ["–", "–", "–", "none"];
      return make("tr", { className: count < few ? "few" : "" }, make("th", { scope: "row" }, short(horizon)), ...cells.map((cell) => make("td", { className: "number" }, cell)));
    });
    const caption = make("caption", {}, swatch(this.colours(this.colourOf(source.id))), make("span", {}, `${source.name}, errors in ${unit}`));
    caption.title = label;
    return make("div", { className: "table", tabIndex: 0, role: "region", ariaLabel: `Errors of ${source.name}` }, make("table", {}, caption, make("thead", {}, head), make("tbody", {}, ...rows)));
  }

  #draw() {
    if (!this.plot?.isConnected) return;
    const { sources, horizons, few, unit } = this.quality;
    const muted = this.colours("muted"), line = this.colours("line");
    const used = horizons.map((_, index) => index).filter((index) => sources.some((source) => source.errors[index].count));
    const traces = sources.map((source) => {
      const colour = this.colours(this.colourOf(source.id));
      return {
        type: "scatter", mode: "lines+markers", name: source.name, x: used.map((index) => short(horizons[index])),
        y: used.map((index) => (source.errors[index].count ? source.errors[index][this.measure] : null)),
        line: { color: colour, width: 2 }, hovertemplate: `%{y:.4~g} ${unit}, %{x} ahead<extra></extra>`,
        marker: { size: 9, color: used.map((index) => (source.errors[index].count < few ? this.colours("raised") : colour)), line: { color: colour, width: 2 } },
      };
    });
    Plotly.react(this.plot, traces, {
      height: 280, margin: { l: 52, r: 12, t: 26, b: 42 }, showlegend: false, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", dragmode: false,
      font: { family: "system-ui, sans-serif", size: 12, color: muted }, hoverlabel: { bgcolor: this.colours("raised"), bordercolor: muted, font: { color: this.colours("ink") } },
      xaxis: { type: "category", fixedrange: true, gridcolor: line, linecolor: muted, showline: true, title: { text: "made at least so long ahead", font: { size: 12 } } },
      yaxis: { fixedrange: true, rangemode: this.measure === "bias" ? "normal" : "tozero", gridcolor: line, zerolinecolor: muted, automargin: "left" },
      annotations: [{ text: unit, xref: "paper", yref: "paper", x: 0, y: 1, xanchor: "left", yanchor: "bottom", yshift: 4, showarrow: false, font: { color: this.colours("ink") } }],
    }, { displayModeBar: false, responsive: true, showTips: false });
  }
}

export const number = (value) => (value === null ? "–" : Number(value.toPrecision(4)).toLocaleString("en-GB", { maximumSignificantDigits: 4 }).replace("-", "−"));

/** Writes values so that what stands below one another lines up: with the decimals that give the greatest four digits. */
function writer(values) {
  const most = Math.max(...values, 0);
  if (most === 0 || most < 1e-8 || most >= 1e9) return number;
  const digits = Math.max(0, 3 - Math.floor(Math.log10(most)));
  return (value, signDisplay = "auto") =>
    value.toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits, signDisplay }).replace("-", "−");
}

export function swatch(colour) {
  const square = make("i", { className: "swatch" });
  square.style.background = colour;
  return square;
}

/** An element with properties and children. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  if (properties.role) element.setAttribute("role", properties.role);
  element.append(...children);
  return element;
}
