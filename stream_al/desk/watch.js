// Watch: what this process does now and did over the last hour.
//
// The service keeps a point every few seconds (GET /v1/watch). Counters count since its start; the page takes
// differences over `SPAN` points, so that a rate does not jump with every batch.

import { barChart, duration, lineChart, percent, short } from "./chart.js";
import { button, dialog, fill, h } from "./dom.js";

const SPAN = 6; // points over which rates are taken
const RANGES = { "5 minutes": 300, "15 minutes": 900, "1 hour": 3600 };
const SERIES = ["s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8"];

export async function mount(root, { api, session, announce, fail }) {
  let points = [];
  let run = null;
  let bounds = { delays: [], utility: [] };
  let every = 5;
  let range = 900;
  let timer = 0;
  let ended = false;

  const charts = {
    arrivals: lineChart("Arrivals", { format: (v) => `${short(v)}/s`, low: 0, hint: "Samples decided about per second." }),
    budget: lineChart("Query rate and budget", { format: percent, low: 0, hint: "Share of the samples whose label was asked for." }),
    threshold: lineChart("Threshold", { low: 0, high: 1, hint: "A sample is asked about from this utility on, by partition." }),
    utility: barChart("Utility of the samples", { hint: "How informative a label would be, over the time shown.", format: share, column: "Utility up to" }),
    accuracy: lineChart("Accuracy", { format: percent, high: 1, hint: "Estimated over all samples for which a class was predicted, with its 95% interval." }),
    delay: barChart("Label delay", { kind: "s3", hint: "Time from a query to its label, over the time shown.", format: share, column: "Up to" }),
    members: lineChart("Members of the model", { format: percent, low: 0, hint: "How much each member weighs in the mixture." }),
    pending: lineChart("Pending queries", { low: 0, hint: "Queries that wait for their label." }),
  };
  const tiles = h("dl", { class: "tiles" });
  const choose = h(
    "div",
    { class: "row", role: "group", "aria-label": "Time shown" },
    Object.entries(RANGES).map(([name, seconds]) =>
      button(name, () => setRange(seconds), { kind: "small", "aria-pressed": String(seconds === range), "data-seconds": seconds }),
    ),
  );
  const controls = h("div", { class: "row", role: "group", "aria-label": "Control" });
  fill(
    root,
    h("h1", { class: "visually-hidden" }, "Watch"),
    h("div", { class: "bar-of-page" }, choose, controls),
    tiles,
    h("div", { class: "charts" }, Object.values(charts).map((one) => one.root)),
  );
  charts.members.root.classList.add("wide");

  function setRange(seconds) {
    range = seconds;
    for (const one of choose.children) one.setAttribute("aria-pressed", String(Number(one.dataset.seconds) === seconds));
    draw();
  }

  async function read() {
    const last = points.length ? points[points.length - 1].seq : -1;
    const query = run === null ? "" : `?since=${last}&run=${encodeURIComponent(run)}`;
    const found = await api.get(`v1/watch${query}`);
    if (found.run !== run) points = [];
    run = found.run;
    every = found.every_seconds;
    bounds = { delays: found.delay_bounds, utility: found.utility_bounds };
    const fresh = found.points.filter((one) => !points.length || one.seq > points[points.length - 1].seq);
    points = [...points, ...fresh].slice(-Math.ceil(3600 / every));
    return fresh.length;
  }

  async function loop() {
    if (ended) return;
    try {
      if (!document.hidden && ((await read()) || !points.length)) draw();
      fail(null);
    } catch (error) {
      fail(error);
    }
    if (!ended) timer = setTimeout(loop, Math.max(500, every * 1000));
  }

  /** The points shown, and before each the one that its rates begin at. */
  function shown() {
    const end = points.length ? Date.parse(points[points.length - 1].at) : 0;
    const from = points.findIndex((one) => Date.parse(one.at) >= end - range * 1000);
    return points.slice(Math.max(0, from)).map((point, n) => ({ point, before: points[Math.max(0, from + n - SPAN)] }));
  }

  function draw() {
    const some = shown();
    if (!some.length) return;
    const times = some.map(({ point }) => Date.parse(point.at));
    const now = some[some.length - 1].point;
    const first = some[0].before;
    const gap = (name) => some.map(({ point, before }) => (point.seq > before.seq ? point[name] - before[name] : null));
    const seconds = some.map(({ point, before }) => (Date.parse(point.at) - Date.parse(before.at)) / 1000);
    const arrivals = gap("samples").map((v, n) => (v === null ? null : v / seconds[n]));
    const shares = gap("queries").map((v, n) => (v === null || !gap("samples")[n] ? null : v / gap("samples")[n]));
    const last = (list) => list[list.length - 1] ?? null;
    const marks = some
      .filter(({ point }, n) => n > 0 && point.drifts > some[n - 1].point.drifts)
      .map(({ point }) => ({ time: Date.parse(point.at), text: `drift at example ${point.drift_example}` }));
    charts.arrivals.update({ times, now: `${short(last(arrivals))}/s`, series: [{ name: "samples", kind: "s1", values: arrivals }] });
    charts.budget.update({
      times,
      now: `${percent(last(shares))} of ${percent(now.share)}`,
      empty: "No sample came in the time shown.",
      series: [
        { name: "asked for", kind: "s1", values: shares },
        { name: "budget", kind: "s2 dashed", values: some.map(({ point }) => point.share) },
      ],
    });
    const partitions = Object.keys(now.thresholds).slice(0, SERIES.length);
    charts.threshold.update({
      times,
      now: partitions.map((one) => short(now.thresholds[one])).join(" · "),
      series: partitions.map((one, n) => ({ name: `partition ${one}`, kind: SERIES[n], values: some.map(({ point }) => point.thresholds[one] ?? null) })),
    });
    const counted = (name) => now[name].map((v, n) => v - (points[0] === first ? 0 : first[name][n]));
    const utility = counted("utility").slice(0, bounds.utility.length);
    charts.utility.update({ names: bounds.utility.map((one) => String(one)), values: utility, now: `${short(utility.reduce((a, b) => a + b, 0))} samples` });
    const recent = (name) => some.map(({ point }) => point.accuracy.recent?.[name] ?? null);
    const accuracy = now.accuracy.recent;
    charts.accuracy.update({
      times,
      marks,
      now: accuracy ? `${percent(accuracy.accuracy)} (${percent(accuracy.low)} to ${percent(accuracy.high)})` : "",
      empty: "No label has come yet.",
      series: [
        { name: "recent", kind: "s1", values: recent("accuracy"), low: recent("low"), high: recent("high") },
        { name: "since the start", kind: "s2 dashed", values: some.map(({ point }) => point.accuracy.all?.accuracy ?? null) },
      ],
    });
    const delays = counted("delays");
    const names = [...bounds.delays.map((one) => duration(one)), "more"];
    const used = delays.length - [...delays].reverse().findIndex((v) => v > 0);
    charts.delay.update({
      names: names.slice(0, Math.min(names.length, Math.max(5, used + 1))),
      values: delays.slice(0, Math.min(names.length, Math.max(5, used + 1))),
      now: median(delays),
      empty: "No label came in the time shown.",
    });
    const members = Object.keys(now.members).slice(0, SERIES.length);
    charts.members.root.hidden = !members.length;
    charts.members.update({
      times,
      marks,
      now: "",
      series: members.map((one, n) => ({ name: one, kind: SERIES[n], values: some.map(({ point }) => point.members[one] ?? null) })),
    });
    charts.pending.update({
      times,
      now: `${short(now.pending)} of at most ${short(now.pending_cap)}`,
      series: [
        { name: "pending", kind: "s1", values: some.map(({ point }) => point.pending) },
        ...(some.some(({ point }) => point.asked) ? [{ name: "asked for by hand, waiting", kind: "s2", values: some.map(({ point }) => point.asked) }] : []),
      ],
    });
    drawTiles(now, last(arrivals), last(shares), delays);
    drawControls(now);
  }

  function median(delays) {
    const total = delays.reduce((a, b) => a + b, 0);
    if (!total) return "";
    let sum = 0;
    const place = delays.findIndex((one) => (sum += one) >= total / 2);
    return `half within ${duration(place < bounds.delays.length ? bounds.delays[place] : Infinity)}`;
  }

  function drawTiles(now, arrivals, asked, delays) {
    const accuracy = now.accuracy.recent || now.accuracy.all;
    const given = [
      ["Arrivals", `${short(arrivals)}/s`],
      ["Asked for", percent(asked), `budget ${percent(now.share)}`],
      ["Accuracy", percent(accuracy?.accuracy), accuracy ? `${percent(accuracy.low)} to ${percent(accuracy.high)}${covered(now.predicted)}` : "nothing was predicted yet"],
      ["Labels learned", short(now.examples), now.classes === 1 ? "1 class" : `${now.classes} classes`],
      ["Pending", short(now.pending), now.asked ? `${now.asked} asked for by hand` : ""],
      ["Label delay", median(delays).replace("half within ", "≤ ") || "–", "median"],
      ["Drifts", short(now.drifts), now.drift_example === null ? "none found" : `last at example ${now.drift_example}`],
      ["Lag", short(now.lag), "records not read yet"],
    ];
    fill(tiles, given.map(([name, value, more]) => h("div", { class: "tile" }, h("dt", {}, name), h("dd", { class: "number" }, value), more ? h("dd", { class: "tile-more" }, more) : null)));
  }

  let drawnFor = "";
  function drawControls(now) {
    const key = `${now.paused} ${now.share} ${session.role}`;
    if (key === drawnFor) return;
    drawnFor = key;
    const admin = session.role === "admin";
    const state = h("span", { class: `chip ${now.paused ? "" : "accent"}` }, now.paused ? "selection paused" : "selecting");
    fill(
      controls,
      state,
      admin ? button(now.paused ? "Resume" : "Pause", () => setPaused(!now.paused)) : null,
      admin ? button("Change the budget", changeBudget) : null,
    );
  }

  async function setPaused(paused) {
    try {
      await api.post(paused ? "v1/pause" : "v1/resume");
      announce(paused ? "Selection is paused in this process" : "Selection goes on");
      const now = { ...points[points.length - 1], paused };
      points[points.length - 1] = now;
      drawControls(now);
    } catch (error) {
      fail(error);
    }
  }

  async function changeBudget() {
    let inForce;
    try {
      inForce = (await api.get("v1/settings")).budget;
    } catch (error) {
      fail(error);
      return;
    }
    const fields = [
      ["share", "Share of the samples, in %", 100 * inForce.share, { min: "0.001", max: "100", step: "any", required: true }],
      ["pending", "Most pending queries", inForce.pending, { min: "1", step: "1", required: true }],
      ["per_hour", "Most labels an hour (empty: any number)", inForce.per_hour ?? "", { min: "1", step: "1" }],
      ["total", "Most labels in all (empty: any number)", inForce.total ?? "", { min: "1", step: "1" }],
    ];
    const changed = await dialog("Change the budget", (close) => {
      const inputs = fields.map(([name, , value, more], n) => h("input", { id: `budget-${name}`, type: "number", inputmode: "decimal", value: typeof value === "number" ? Number(value.toPrecision(10)) : value, autofocus: n === 0, ...more }));
      const said = h("p", { class: "bad", role: "alert", hidden: true });
      const submit = async (event) => {
        event.preventDefault();
        const wanted = {};
        fields.forEach(([name], n) => {
          const text = inputs[n].value.trim();
          const value = text === "" ? null : Number(text) / (name === "share" ? 100 : 1);
          if (value !== (inForce[name] ?? null)) wanted[name] = value;
        });
        if (!Object.keys(wanted).length) return close(null);
        try {
          close(await api.patch("v1/settings", { budget: wanted }));
        } catch (error) {
          said.hidden = false;
          said.textContent = error.detail || String(error);
        }
      };
      return [
        h(
          "form",
          { class: "form", on: { submit } },
          h("p", {}, "The change holds for all processes, and after a restart."),
          fields.map(([name, text], n) => [h("label", { for: `budget-${name}` }, text), inputs[n]]).flat(),
          said,
          h("button", { type: "submit", class: "button primary" }, "Change"),
        ),
      ];
    });
    if (changed) announce(`The budget is ${percent(changed.budget.share)} of the samples now`);
  }

  const sizes = new ResizeObserver(() => Object.values(charts).forEach((one) => one.redraw()));
  sizes.observe(root);
  await loop();
  return () => {
    ended = true;
    clearTimeout(timer);
    sizes.disconnect();
  };
}

/** What the accuracy says nothing about, if it is worth a word. */
function covered(predicted) {
  return predicted !== null && predicted < 0.99 ? `, of the ${percent(predicted)} with a prediction` : "";
}

function share(value, total) {
  return total ? `${short(value)} (${percent(value / total)})` : short(value);
}
