// Charts as SVG. Colours come from classes of views.css, so they follow the theme. Each chart has a text
// alternative: its accessible name says the last values, and a table below it holds them.

import { fill, h } from "./dom.js";

const NS = "http://www.w3.org/2000/svg";
const HEIGHT = 168;
const LEFT = 46;
const RIGHT = 10;
const TOP = 8;
const BOTTOM = 22;
const TABLE_ROWS = 12;

/** An element of SVG. */
export function svg(tag, given = {}, ...children) {
  const made = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(given)) {
    if (value !== null && value !== undefined) made.setAttribute(name, String(value));
  }
  made.append(...children.flat().filter(Boolean));
  return made;
}

/** A number with at most three digits that count, as people read it. */
export function short(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1e6) return `${(value / 1e6).toPrecision(3)} M`;
  if (size >= 10_000) return `${(value / 1000).toPrecision(3)} k`;
  if (size >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString("en");
  return value.toLocaleString("en", { maximumSignificantDigits: 3 });
}

export const percent = (value) =>
  value === null || value === undefined || Number.isNaN(value)
    ? "–"
    : `${(100 * value).toLocaleString("en", { maximumSignificantDigits: 3 })}%`;

/** A time span in seconds, as people read it. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "–";
  if (seconds === Infinity) return "over 30 d";
  if (seconds < 90) return `${short(seconds)} s`;
  if (seconds < 5400) return `${short(seconds / 60)} min`;
  if (seconds < 2 * 86400) return `${short(seconds / 3600)} h`;
  return `${short(seconds / 86400)} d`;
}

/** Round numbers between two ends, at most about `count` of them. */
function ticks(low, high, count = 4) {
  const span = high - low;
  if (!(span > 0)) return [low];
  const raw = span / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= raw * 0.999);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + step * 1e-6; at += step) found.push(Number(at.toPrecision(12)));
  return found;
}

const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

function card(title, hint) {
  const head = h("div", { class: "chart-head" }, h("h2", {}, title), h("p", { class: "chart-now number" }));
  const legend = h("p", { class: "chart-legend" });
  const plot = h("div", { class: "chart-plot" });
  const table = h("details", { class: "chart-table" }, h("summary", {}, "Numbers"));
  const root = h("section", { class: "card chart", "aria-label": title }, head, hint ? h("p", { class: "chart-hint" }, hint) : null, plot, legend, table);
  return { root, now: head.lastChild, legend, plot, table };
}

function setTable(table, head, rows) {
  if (!table.open) {
    table.ontoggle = () => table.open && setTable(table, head, rows);
    return;
  }
  table.ontoggle = null;
  const body = h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "Numbers of the chart" },
    h(
      "table",
      { class: "number" },
      h("thead", {}, h("tr", {}, head.map((one) => h("th", { scope: "col" }, one)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((one, place) => h(place ? "td" : "th", place ? {} : { scope: "row" }, one))))),
    ),
  );
  fill(table, table.firstChild, body);
}

/**
 * A chart of values over time.
 *
 * @param {string} title Its heading.
 * @param {object} options `format` writes a value; `low` and `high` are ends that the axis always has.
 * @returns {{root: Element, update: function, redraw: function}} `update({times, series, marks, now, empty})`: times in
 *   milliseconds; series of `{name, kind, values, low, high}`, where `kind` is a class of views.css and null is no
 *   value; marks of `{time, text}`.
 */
export function lineChart(title, { format = short, low = null, high = null, hint = "" } = {}) {
  const parts = card(title, hint);
  let data = { times: [], series: [], marks: [], now: "", empty: "" };

  function scale() {
    const values = [low, high].filter((one) => one !== null);
    for (const one of data.series) for (const list of [one.values, one.low || [], one.high || []]) for (const v of list) if (v !== null && v !== undefined) values.push(v);
    let [from, to] = [Math.min(...values), Math.max(...values)];
    if (!values.length) [from, to] = [0, 1];
    if (from === to) [from, to] = from === 0 ? [0, 1] : [Math.min(0, from), Math.max(0, to) * 1.2];
    if (high === null || to > high) to += (to - from) * 0.06;
    return [from, to];
  }

  function redraw() {
    const { times, series, marks, empty } = data;
    const width = Math.max(220, parts.plot.clientWidth || 420);
    const any = series.some((one) => one.values.some((v) => v !== null && v !== undefined));
    if (!any) {
      fill(parts.plot, h("p", { class: "chart-empty" }, empty || "Nothing to show yet."));
      return;
    }
    const [from, to] = scale();
    const [begin, end] = [times[0], Math.max(times[times.length - 1], times[0] + 1000)];
    const x = (ms) => LEFT + ((ms - begin) / (end - begin)) * (width - LEFT - RIGHT);
    const y = (v) => HEIGHT - BOTTOM - ((v - from) / (to - from)) * (HEIGHT - TOP - BOTTOM);
    const drawn = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": summary(), class: "plot" });
    for (const tick of ticks(from, to)) {
      drawn.append(svg("line", { x1: LEFT, x2: width - RIGHT, y1: y(tick), y2: y(tick), class: "grid-line" }));
      const text = svg("text", { x: LEFT - 6, y: y(tick) + 4, class: "tick", "text-anchor": "end" });
      text.textContent = format(tick);
      drawn.append(text);
    }
    const stamps = Math.max(2, Math.min(5, Math.floor(width / 130)));
    for (let n = 0; n < stamps; n += 1) {
      const ms = begin + ((end - begin) * n) / (stamps - 1);
      const text = svg("text", { x: x(ms), y: HEIGHT - 6, class: "tick", "text-anchor": n === 0 ? "start" : n === stamps - 1 ? "end" : "middle" });
      text.textContent = clock(ms);
      drawn.append(text);
    }
    for (const mark of marks || []) {
      if (mark.time < begin || mark.time > end) continue;
      const line = svg("line", { x1: x(mark.time), x2: x(mark.time), y1: TOP, y2: HEIGHT - BOTTOM, class: "mark" });
      const named = svg("title");
      named.textContent = mark.text;
      line.append(named);
      drawn.append(line);
    }
    for (const one of series) {
      if (one.low) drawn.append(svg("path", { d: band(times, one.low, one.high, x, y), class: `band ${one.kind}` }));
      drawn.append(svg("path", { d: path(times, one.values, x, y), class: `line ${one.kind}` }));
      const last = lastPlace(one.values);
      if (last >= 0) drawn.append(svg("circle", { cx: x(times[last]), cy: y(one.values[last]), r: 3, class: `dot ${one.kind}` }));
    }
    const cursor = svg("line", { y1: TOP, y2: HEIGHT - BOTTOM, class: "cursor", visibility: "hidden" });
    drawn.append(cursor);
    drawn.addEventListener("pointermove", (event) => {
      const box = drawn.getBoundingClientRect();
      const ms = begin + ((((event.clientX - box.left) / box.width) * width - LEFT) / (width - LEFT - RIGHT)) * (end - begin);
      const place = nearest(times, ms);
      cursor.setAttribute("x1", x(times[place]));
      cursor.setAttribute("x2", x(times[place]));
      cursor.setAttribute("visibility", "visible");
      parts.now.textContent = `${clock(times[place])}  ${series.map((one) => format(one.values[place])).join(" · ")}`;
    });
    drawn.addEventListener("pointerleave", () => {
      cursor.setAttribute("visibility", "hidden");
      parts.now.textContent = data.now;
    });
    fill(parts.plot, drawn);
  }

  function summary() {
    const said = data.series.map((one) => {
      const last = lastPlace(one.values);
      if (last < 0) return `${one.name}: no value`;
      const range = one.low && one.low[last] !== null ? ` (interval ${format(one.low[last])} to ${format(one.high[last])})` : "";
      return `${one.name}: ${format(one.values[last])}${range}`;
    });
    const marked = data.marks?.length ? `; ${data.marks.length} marks: ${data.marks.map((one) => one.text).join(", ")}` : "";
    return `${title} over time. Now ${said.join(", ")}${marked}.`;
  }

  function update(given) {
    data = { ...data, ...given };
    parts.now.textContent = data.now || "";
    fill(parts.legend, data.series.length > 1 ? data.series.map((one) => legendItem(one.kind, one.name)) : []);
    redraw();
    const rows = data.times.slice(-TABLE_ROWS).map((ms, place, some) => {
      const at = data.times.length - some.length + place;
      return [clock(ms), ...data.series.map((one) => format(one.values[at]))];
    });
    setTable(parts.table, ["Time", ...data.series.map((one) => one.name)], rows.reverse());
  }

  return { root: parts.root, update, redraw };
}

/** A chart of a number for each name. `update({names, values, now, empty})`. */
export function barChart(title, { format = short, kind = "s1", hint = "", column = "Range" } = {}) {
  const parts = card(title, hint);
  let data = { names: [], values: [], now: "", empty: "" };

  function redraw() {
    const { names, values, empty } = data;
    const width = Math.max(220, parts.plot.clientWidth || 420);
    const most = Math.max(0, ...values);
    if (!most) {
      fill(parts.plot, h("p", { class: "chart-empty" }, empty || "Nothing to show yet."));
      return;
    }
    const total = values.reduce((sum, one) => sum + one, 0);
    const said = names.map((name, n) => `${name}: ${format(values[n], total)}`).join(", ");
    const drawn = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": `${title}. ${said}.`, class: "plot" });
    const each = (width - LEFT - RIGHT) / names.length;
    const y = (v) => HEIGHT - BOTTOM - (v / (most * 1.05)) * (HEIGHT - TOP - BOTTOM);
    for (const tick of ticks(0, most * 1.05)) {
      drawn.append(svg("line", { x1: LEFT, x2: width - RIGHT, y1: y(tick), y2: y(tick), class: "grid-line" }));
      const text = svg("text", { x: LEFT - 6, y: y(tick) + 4, class: "tick", "text-anchor": "end" });
      text.textContent = short(tick);
      drawn.append(text);
    }
    const every = Math.ceil(names.length / Math.max(1, Math.floor((width - LEFT) / 46)));
    names.forEach((name, n) => {
      const bar = svg("rect", { x: LEFT + n * each + 1.5, width: Math.max(1, each - 3), y: y(values[n]), height: Math.max(0, HEIGHT - BOTTOM - y(values[n])), rx: 2, class: `bar ${kind}` });
      const named = svg("title");
      named.textContent = `${name}: ${format(values[n], total)}`;
      bar.append(named);
      drawn.append(bar);
      if (n % every) return;
      const text = svg("text", { x: LEFT + (n + 0.5) * each, y: HEIGHT - 6, class: "tick", "text-anchor": "middle" });
      text.textContent = name;
      drawn.append(text);
    });
    fill(parts.plot, drawn);
  }

  function update(given) {
    data = { ...data, ...given };
    parts.now.textContent = data.now || "";
    redraw();
    const total = data.values.reduce((sum, one) => sum + one, 0);
    setTable(parts.table, [column, "Number"], data.names.map((name, n) => [name, format(data.values[n], total)]));
  }

  return { root: parts.root, update, redraw };
}

function legendItem(kind, text) {
  return h("span", { class: "legend-item" }, h("span", { class: `swatch ${kind}`, "aria-hidden": "true" }), text);
}

function lastPlace(values) {
  for (let n = values.length - 1; n >= 0; n -= 1) if (values[n] !== null && values[n] !== undefined) return n;
  return -1;
}

function nearest(times, ms) {
  let best = 0;
  for (let n = 1; n < times.length; n += 1) if (Math.abs(times[n] - ms) < Math.abs(times[best] - ms)) best = n;
  return best;
}

function path(times, values, x, y) {
  let drawn = "";
  let pen = false;
  values.forEach((value, n) => {
    if (value === null || value === undefined) {
      pen = false;
      return;
    }
    drawn += `${pen ? "L" : "M"}${x(times[n]).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = true;
  });
  return drawn;
}

function band(times, low, high, x, y) {
  const places = low.map((_, n) => n).filter((n) => low[n] !== null && low[n] !== undefined);
  if (!places.length) return "";
  const over = places.map((n) => `${x(times[n]).toFixed(1)} ${y(high[n]).toFixed(1)}`);
  const under = places.reverse().map((n) => `${x(times[n]).toFixed(1)} ${y(low[n]).toFixed(1)}`);
  return `M${[...over, ...under].join("L")}Z`;
}
