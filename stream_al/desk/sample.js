// A sample on the page Explore: its prediction, its decision, its features and its neighbours.

import { percent, short } from "./chart.js";
import { button, h } from "./dom.js";

export const REASONS = {
  uncertain: "uncertain: asked for", explore: "drawn at random", warmup: "first samples", manual: "asked for by hand",
  below: "not chosen", spent: "budget spent", capped: "a cap was reached", displaced: "gave its place",
};
export const STATES = { none: "", pending: "waits for its label", labelled: "labelled", asked: "waits for the budget" };

/**
 * @param {object} item As the service describes it (`GET /v1/explore/items/{number}`).
 * @param {object} actions Whether the user is `admin`, whether the item `isChosen`, and what the buttons do.
 */
export function samplePanel(item, actions) {
  const probabilities = Object.entries(item.probabilities).sort((a, b) => b[1] - a[1]).slice(0, 6);
  return [
    h("h2", { class: "item-id" }, item.id),
    h("p", { class: "why" }, item.why),
    h(
      "p",
      { class: "row" },
      STATES[item.state] ? h("span", { class: `chip ${item.state === "labelled" ? "" : "accent"}` }, STATES[item.state]) : null,
      item.label !== null ? h("span", { class: "chip" }, `label: ${item.label}`) : null,
      item.state === "none" && hasNumber(item) ? button("Ask for its label", actions.ask, { kind: "small", disabled: !actions.admin, title: actions.admin ? null : "This needs the role admin" }) : null,
      item.state === "pending" ? button("Label it", actions.label, { kind: "small" }) : null,
      button(actions.isChosen ? "Do not choose" : "Choose", actions.choose, { kind: "small" }),
    ),
    h("h3", {}, "Prediction"),
    probabilities.length
      ? h("div", { class: "guess" }, probabilities.map(([name, value]) => h("div", { class: "guess-row" }, h("span", {}, name), h("span", { class: "number" }, `${(100 * value).toFixed(1)}%`), h("progress", { max: 1, value, "aria-label": `${name}: ${percent(value)}` }))))
      : h("p", { class: "muted" }, "The model had none."),
    h("h3", {}, "Decision"),
    pairs([
      ["utility", item.utility.toFixed(3)], ["threshold", item.threshold.toFixed(3)],
      ["propensity", item.reason === "manual" ? "none" : item.propensity.toFixed(4)], ["reason", REASONS[item.reason] || item.reason],
      ["decided when the model knew", `${short(item.examples)} examples`], ["arrived", new Date(item.at).toLocaleString()],
    ]),
    h("h3", {}, "Features"),
    pairs(Object.entries(item.features).slice(0, 200).map(([name, value]) => [name, shown(value)])),
    item.payload === null || item.payload === undefined ? null : [h("h3", {}, "Payload"), h("pre", { class: "json", tabindex: "0" }, JSON.stringify(item.payload, null, 2).slice(0, 4000))],
    h("h3", {}, "Nearest items"),
    item.neighbours.length
      ? h("ul", { class: "near" }, item.neighbours.map((one) => h("li", {}, button(one.id, () => actions.open(one.number), { kind: "plain link" }), h("span", { class: "muted number" }, ` ${one.label !== null ? `label ${one.label}` : `predicted ${one.class ?? "–"}`}, distance ${short(one.distance)}`))))
      : h("p", { class: "muted" }, "There are none."),
  ];
}

const hasNumber = (item) => item.number >= 0;

function pairs(given) {
  return h("table", { class: "features" }, h("tbody", {}, given.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, value)))));
}

export function shown(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number" && !Number.isInteger(value)) return value.toLocaleString("en", { maximumSignificantDigits: 6 });
  return String(value);
}
