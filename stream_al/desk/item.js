// One query as a person sees it: why it was selected, its payload, its texts, its features.

import { classText } from "./classes.js";
import { button, fill, h } from "./dom.js";
import { payloadView } from "./payload.js";

const LONG = 60; // characters from which a feature is a text of its own
const WORDS = 6; // words from which it is
const MARKED = 15; // words
const LEAST = 0.005; // effect of a word that is marked
const MOST_ROWS = 40; // features in the table, until somebody asks for all
const SVG = "http://www.w3.org/2000/svg";

/** Why the guess of the model is not offered for a query; null if it is. */
export function hiddenFor(item) {
  if (item.second) return "Someone else has labelled this sample. Your label counts because it is your own, so there is no guess.";
  const reason = item.query.reason;
  if (reason === "explore") return "This query was drawn at random to measure the model, so there is no guess.";
  if (!item.query.prediction || item.query.prediction.label === null) return "The model has no guess yet.";
  return null;
}

/** Why a query was selected, in one sentence. */
function whySelected(item) {
  const { reason, utility, threshold, propensity } = item.query;
  const share = (value) => `${(100 * value).toPrecision(2)}%`;
  if (item.second) return "A second opinion: another person has labelled this sample, and two labels show what can be trusted.";
  if (reason === "explore") return `Drawn at random (a chance of ${share(propensity)}), so that accuracy can be measured over the whole stream.`;
  if (reason === "warmup") return "Drawn at random: when this sample came, the model knew fewer than two classes.";
  if (reason === "manual") return "Sent to labelling by hand.";
  const enough = threshold > 0.005 ? `, and ${threshold.toFixed(2)} was enough` : "";
  return `The model is in doubt: a label is worth ${utility.toFixed(2)} of 1 here${enough}.`;
}

/** Draws queries. `hosts` are those whose media may be loaded. */
export class ItemView {
  constructor(hosts) {
    this.root = h("article", { class: "card item", "aria-label": "Query" });
    this.keys = {};
    this._hosts = hosts;
    this._stop = () => {};
  }

  /** Show a query. */
  show(item) {
    this._stop();
    const { query } = item;
    const payload = payloadView(query.payload, this._hosts);
    this.keys = payload.keys;
    this._stop = payload.stop;
    this._item = item;
    this._texts = h("div", { class: "stack" });
    this._table = h("section", { class: "part" });
    this.revealed = this.unfolded = false;
    item.onExplained = () => this._item === item && this.draw();
    fill(
      this.root,
      h(
        "div",
        { class: "item-head" },
        h("div", {}, h("h1", {}, query.id), h("p", { class: "why" }, whySelected(item))),
        item.second ? h("span", { class: "chip accent" }, "second opinion") : null,
      ),
      ...payload.nodes,
      this._texts,
      this._table,
    );
    this.root.classList.remove("enter");
    void this.root.offsetWidth; // begin the animation anew
    this.root.classList.add("enter");
    this.draw();
  }

  /** The guess is shown: let the words and bars say what speaks for it. */
  reveal() {
    this.revealed = true;
    this.draw();
  }

  /** Show all features. */
  unfold() {
    this.unfolded = true;
    this.draw();
  }

  /** Stop what plays. */
  stop() {
    this._stop();
    if (this._item) this._item.onExplained = null;
  }

  draw() {
    const { query, explanation } = this._item;
    const effects = explanation?.features || {};
    const names = Object.keys(query.features);
    const weight = (name) => Math.abs(effects[name] || 0);
    names.sort((one, other) => weight(other) - weight(one));
    const isText = (name) => isLong(query.features[name]);
    fill(this._texts, names.filter(isText).map((name) => this._text(name)));
    const rows = names.filter((name) => !isText(name));
    this._texts.hidden = rows.length === names.length;
    this._table.hidden = !rows.length;
    fill(this._table, ...[this._features(rows, effects)].flat());
  }

  _text(name) {
    const value = this._item.query.features[name];
    const effects = this.revealed ? this._item.explanation?.words?.[name] || {} : {};
    const strong = Object.entries(effects).filter(([, effect]) => Math.abs(effect) >= LEAST).slice(0, MARKED);
    const marked = new Map(strong);
    const pieces = value.split(/([\p{L}\p{N}\p{M}_]+)/u).map((piece) => {
      const effect = marked.get(piece.toLowerCase());
      if (effect === undefined) return piece;
      return h("mark", { class: effect < 0 ? "against" : null, title: effect < 0 ? "speaks against the guess" : "speaks for the guess" }, piece);
    });
    const legend = marked.size
      ? h("p", { class: "muted legend" }, h("mark", {}, "for"), " and ", h("mark", { class: "against" }, "against"), ` ${classText(this._item.explanation.label)}, as the model sees it now`)
      : null;
    return h("section", { class: "part" }, h("h2", {}, name), h("p", { class: "text" }, ...pieces), legend);
  }

  _features(names, effects) {
    const largest = Math.max(0.0001, ...Object.values(effects).map(Math.abs));
    const known = Object.keys(effects).length > 0;
    const head = h(
      "tr",
      {},
      h("th", { scope: "col" }, "Feature"),
      h("th", { scope: "col" }, "Value"),
      known ? h("th", { scope: "col" }, "Influence") : null,
    );
    const rest = this.unfolded ? 0 : Math.max(0, names.length - MOST_ROWS);
    const rows = names.slice(0, names.length - rest).map((name) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, name),
        h("td", {}, shown(this._item.query.features[name])),
        known ? h("td", { class: "effect" }, ...this._bar(effects[name] || 0, largest)) : null,
      ),
    );
    const table = h("table", { class: "features" }, h("thead", {}, head), h("tbody", {}, rows));
    return rest ? [table, button(`Show ${rest} more features`, () => this.unfold())] : table;
  }

  _bar(effect, largest) {
    const drawing = document.createElementNS(SVG, "svg");
    drawing.setAttribute("viewBox", "0 0 84 10");
    drawing.setAttribute("aria-hidden", "true");
    const bars = [["track", 84], [this.revealed && effect < 0 ? "bar against" : "bar", 84 * Math.abs(effect) / largest]];
    for (const [name, width] of bars) {
      const bar = document.createElementNS(SVG, "rect");
      for (const [key, value] of Object.entries({ class: name, width, height: 8, y: 1, rx: 4 })) bar.setAttribute(key, value);
      drawing.append(bar);
    }
    const points = Math.round(100 * Math.abs(effect));
    const way = this.revealed && points ? (effect < 0 ? " against the guess" : " for the guess") : "";
    return [drawing, h("span", { class: "visually-hidden" }, `${points} points${way}`)];
  }
}

function isLong(value) {
  return typeof value === "string" && (value.length > LONG || value.trim().split(/\s+/, WORDS).length >= WORDS);
}

function shown(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}
