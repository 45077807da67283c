// Quality: which labels are wrong, which annotators to trust, and where the model fails.
//
// Each figure leads to the samples behind it: the address then names them (`#quality?actual="spam"`), so the
// browser's Back leads here again.

import { short } from "./chart.js";
import { button, fill, h } from "./dom.js";
import { Actions, interval, mountItems, named, percent } from "./review.js";

const MOST_CLASSES = 30; // rows and columns of the matrix
const MOST_ROWS = 8; // of a list, until all are asked for
const FILTERS = ["actual", "predicted", "annotator", "segment", "suspect", "flagged", "several", "id"];
const KINDS = { "second labels": "By second labels", "drawn at random": "By the model, drawn at random", "bought in doubt": "By the model, bought in doubt" };
const SURE = { "second labels": "sure", "drawn at random": "likely", "bought in doubt": "weak" };

export async function mount(root, context) {
  const asked = FILTERS.filter((name) => context.parameters.has(name));
  if (asked.length) return mountItems(root, context, titleOf(context.parameters));
  const page = new Overview(root, context);
  await page.load();
  return () => page.end();
}

function titleOf(given) {
  const parts = [];
  const text = (name) => (given.get(name) === "null" ? "others" : given.get(name).replace(/^"(.*)"$/, "$1"));
  if (given.has("actual")) parts.push(`label ${text("actual")}`);
  if (given.has("predicted")) parts.push(`predicted ${text("predicted")}`);
  if (given.has("annotator")) parts.push(`labelled by ${given.get("annotator")}`);
  if (given.has("segment")) parts.push(given.get("segment"));
  if (given.has("suspect")) parts.push(`suspects: ${given.get("suspect")}`);
  if (given.has("flagged")) parts.push("flagged");
  if (given.has("several")) parts.push("several labels");
  if (given.has("id")) parts.push(given.get("id"));
  return `Samples: ${parts.join(", ")}`;
}

class Overview {
  constructor(root, context) {
    this.root = root;
    this.context = context;
    this.weighted = true;
    this.all = new Set(); // lists of which all rows are shown
    this.ended = false;
    this.said = h("p", { class: "card said", tabindex: "-1", hidden: true });
    this.body = h("div", { class: "quality" });
    this.actions = new Actions(context, async (text) => {
      this.said.hidden = false;
      this.said.textContent = text;
      context.announce(text);
      await this.load();
      this.said.focus();
    });
    fill(root, h("div", { class: "bar-of-page" }, h("h1", {}, "Quality of the labels"), button("Refresh", () => this.load(), { kind: "small" })), this.said, this.body);
  }

  end() {
    this.ended = true;
  }

  async load() {
    const { api, fail } = this.context;
    try {
      const [quality, flagged] = await Promise.all([api.get("v1/quality"), api.get("v1/quality/items?flagged=true&limit=25")]);
      if (this.ended) return;
      this.quality = quality;
      this.flagged = flagged;
      this.draw();
      this.segments = await api.get("v1/quality/segments");
      if (!this.ended) this.draw();
    } catch (error) {
      if (!this.ended) fail(error);
    }
  }

  go(parameters) {
    this.context.navigate("quality", parameters);
  }

  draw() {
    const focused = document.activeElement?.dataset?.place;
    fill(
      this.body,
      this.tiles(),
      h("div", { class: "grid wide-grid" }, this.matrix(), this.perClass()),
      this.suspects(),
      h("div", { class: "grid wide-grid" }, this.proposals(), this.disputes(), this.conflicts()),
      this.annotators(),
      this.failures(),
      this.flags(),
    );
    if (focused) [...this.body.querySelectorAll("[data-place]")].find((one) => one.dataset.place === focused)?.focus();
  }

  tiles() {
    const { quality } = this;
    const rows = [
      ["labels bought and compared", short(quality.confusion.cells.reduce((sum, cell) => sum + cell.labels, 0)), null],
      ["second labels", short(quality.second_labels.number), quality.asked.second_share ? `asked for ${percent(quality.asked.second_share)} of the samples` : "none is asked for by itself (labels.second_share)"],
      ["second labels that agree", quality.second_labels.agreement.share === null ? "–" : percent(quality.second_labels.agreement.share), quality.second_labels.agreement.share === null ? null : `${percent(quality.second_labels.agreement.low)} to ${percent(quality.second_labels.agreement.high)}`],
      ["labels that look wrong", short(quality.suspects.length), `${quality.suspects.filter((one) => SURE[one.kind] !== "weak").length} of them sure or likely`],
      ["flagged samples", short(this.flagged.matched), null],
    ];
    return h("dl", { class: "tiles" }, rows.map(([name, value, more]) => h("div", { class: "tile" }, h("dt", {}, name), h("dd", { class: "number" }, value, more ? h("div", { class: "tile-more" }, more) : null))));
  }

  card(title, about, ...content) {
    const id = `part-${title.toLowerCase().replace(/\W+/g, "-")}`;
    return h("section", { class: "card part-card", "aria-labelledby": id }, h("h2", { id }, title), about ? h("p", { class: "muted about" }, about) : null, ...content);
  }

  // ------------------------------------------------------------------ classes

  matrix() {
    const { confusion } = this.quality;
    const cells = new Map(confusion.cells.map((cell) => [JSON.stringify([cell.label, cell.predicted]), cell]));
    const value = (cell) => (cell ? (this.weighted ? Math.round(cell.arrivals) : cell.labels) : 0);
    const totals = new Map();
    for (const cell of confusion.cells) totals.set(cell.label, (totals.get(cell.label) || 0) + value(cell));
    const counted = [...confusion.classes].sort((one, other) => (totals.get(other) || 0) - (totals.get(one) || 0));
    const shown = counted.slice(0, MOST_CLASSES);
    const rows = confusion.cells.some((cell) => cell.label === null) ? [...shown, null] : shown;
    const columns = confusion.cells.some((cell) => cell.predicted === null) ? [...shown, null] : shown;
    const mode = (text, weighted) =>
      button(text, () => { this.weighted = weighted; this.draw(); }, { kind: "small", "aria-pressed": String(this.weighted === weighted), "data-place": `matrix-${weighted}` });
    const cellOf = (label, predicted) => {
      const cell = cells.get(JSON.stringify([label, predicted]));
      if (!cell) return h("td", { class: "cell" }, h("span", { class: "muted" }, "0"));
      const share = value(cell) / (totals.get(label) || 1);
      const right = label === predicted && label !== null;
      const text = this.weighted ? `about ${short(cell.arrivals)} samples` : `${short(cell.labels)} labels`;
      const name = `Label ${named(label)}, predicted ${named(predicted, "none or others")}: ${text}, ${percent(share)} of the label`;
      return h(
        "td",
        { class: `cell ${right ? "right" : "wrong"} heat-${Math.min(5, Math.ceil(share * 5))}` },
        button(short(value(cell)), () => this.go({ actual: JSON.stringify(label), predicted: JSON.stringify(predicted) }), { kind: "cell-button number", "aria-label": name, title: name }),
      );
    };
    const table = h(
      "table",
      { class: "matrix" },
      h("caption", { class: "visually-hidden" }, "Rows are labels, columns are predictions"),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "label ↓ predicted →"), columns.map((one) => h("th", { scope: "col" }, named(one, "none, others"))))),
      h("tbody", {}, rows.map((label) => h("tr", {}, h("th", { scope: "row" }, named(label)), columns.map((predicted) => cellOf(label, predicted))))),
    );
    const about = this.weighted
      ? "Estimated for the whole stream: each label counts for as many samples as its propensity says."
      : "Labels as they were bought. They hold too many samples that the model doubted: no fair picture of the stream.";
    const more = counted.length > shown.length ? h("p", { class: "muted" }, `The ${MOST_CLASSES} largest of ${counted.length} classes.`) : null;
    return this.card(
      "Confusion matrix",
      `${about} The colour is the share of the row. Each cell leads to its samples.`,
      h("div", { class: "row", role: "group", "aria-label": "What the matrix counts" }, mode("Whole stream", true), mode("Labels bought", false)),
      rows.length ? h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Confusion matrix" }, table) : h("p", { class: "chart-empty" }, "No label was bought yet."),
      more,
    );
  }

  perClass() {
    const { classes } = this.quality.per_class;
    const rows = classes.map((one) => [
      button(named(one.class), () => this.go({ actual: JSON.stringify(one.class) }), { kind: "plain link", "aria-label": `Samples with the label ${named(one.class)}` }),
      short(one.labels), interval(one.recall), interval(one.precision),
    ]);
    return this.card("Classes", "Estimated for the whole stream, for the model of now, with 95% intervals. Recall: of the samples of the class, those predicted as it. Precision: of the samples predicted as the class, those that are of it.", this.list("classes", ["Class", "Labels", "Recall", "Precision"], rows, "No label was bought yet."));
  }

  // ------------------------------------------------------------------ labels

  suspects() {
    const { suspects, kinds } = this.quality;
    const parts = Object.keys(KINDS).map((kind) => {
      const found = suspects.filter((one) => one.kind === kind);
      const rows = found.map((one) => [this.sample(one.id), named(one.label), named(one.other, "open"), one.annotator ?? "–", one.why, one.score.toFixed(2), this.doing(one)]);
      const head = h("div", { class: "row" }, h("h3", {}, `${KINDS[kind]} (${found.length})`), h("span", { class: `chip sure-${SURE[kind]}` }, SURE[kind]), found.length ? button("Look through them", () => this.go({ suspect: kind }), { kind: "small plain", "aria-label": `Look through suspects: ${kind}` }) : null);
      return h("div", { class: "kind" }, head, h("p", { class: "muted about" }, kinds[kind]), found.length ? this.list(kind, ["Sample", "Label", "Speaks against it", "Annotator", "Why", "Trust", "Do"], rows) : null);
    });
    return this.card("Labels that look wrong", "The surest ones first. Trust is how well founded the label is by what speaks against it, from 0 to 1.", parts);
  }

  proposals() {
    const rows = this.quality.proposals.map((one) => [
      this.sample(one.id), named(one.label), `${named(one.consensus)} (${percent(one.posterior)})`, `${one.labels} labels${one.outvoted ? "" : ", the model decides"}`,
      button("Apply", () => this.actions.correct(one.id, one.consensus), { kind: "small", disabled: !this.actions.admin, "aria-label": `Correct ${one.id} to ${named(one.consensus)}`, title: this.actions.admin ? null : "This needs the role admin" }),
    ]);
    return this.card("Proposals", "First labels that the consensus of several annotators contradicts.", this.list("proposals", ["Sample", "Label", "Consensus", "By", "Do"], rows, "There is none."));
  }

  disputes() {
    const rows = this.quality.disputes.map((one) => [this.sample(one.id), one.labels.map((label) => `${label.annotator ?? "–"}: ${named(label.label)}`).join(", "), this.doing({ id: one.id, label: one.labels[0].label })]);
    return this.card("Disputes", "Samples whose labels disagree without a majority.", this.list("disputes", ["Sample", "Labels", "Do"], rows, "There is none."));
  }

  conflicts() {
    const rows = this.quality.conflicts.map((one) => [this.sample(one.id), named(one.counts), named(one.label), one.annotator ?? "–", this.doing({ id: one.id, label: one.counts })]);
    return this.card("Conflicts", "Labels that nobody had asked for and that contradict the one that counts.", this.list("conflicts", ["Sample", "Counts", "Contradicts it", "Annotator", "Do"], rows, "There is none."));
  }

  annotators() {
    const rows = this.quality.annotators.map((one) => [
      one.annotator === null ? "others" : button(one.annotator, () => this.go({ annotator: one.annotator }), { kind: "plain link", "aria-label": `Samples that ${one.annotator} labelled` }),
      short(one.labels), interval(one.agreement, "share"), interval(one.rest, "share"), interval(one.consensus, "share"), one.weight.toFixed(2), pace(one.pace),
      one.pace?.per_hour ? short(one.pace.per_hour) : "–",
      one.contradicts ? h("span", { class: "chip bad-chip" }, "contradicts the rest") : "",
    ]);
    return this.card("Annotators", `${this.quality.second_labels.about} Seconds and labels an hour: from one label to the next, breaks of over 10 minutes left out.`, this.list("annotators", ["Annotator", "Labels", "Agrees with others", "The others among themselves", "Is the consensus", "Weight", "Seconds a label", "Labels an hour", ""], rows, "No label has come yet."));
  }

  // ------------------------------------------------------------------ the model

  failures() {
    const found = this.segments;
    const rows = (found?.segments ?? []).map((one) => [
      h("code", {}, one.where), short(one.cases), interval(one.error), interval(one.rest), one.p < 0.01 ? "< 1%" : percent(one.p),
      [button("Samples", () => this.go({ segment: one.where }), { kind: "small", "aria-label": `Labelled samples of ${one.where}` }), button("Explore", () => this.context.navigate("explore", { where: one.where }), { kind: "small plain", "aria-label": `Show ${one.where} on Explore` })],
    ]);
    const none = found ? `Nothing stands out: ${short(found.tested)} of ${short(found.compared)} segments were tested on ${short(found.cases)} labels.` : "Searching …";
    return this.card("Where the model fails", found?.about ?? "", this.list("segments", ["Segment", "Labels", "Error", "Error of the rest", "As bad by chance", "Do"], rows, none));
  }

  flags() {
    const rows = this.flagged.items.map((one) => {
      const notes = one.labels.filter((note) => note.flagged);
      return [this.sample(one.id), named(one.label), notes.map((note) => note.annotator ?? "–").join(", "), notes.map((note) => note.comment).filter(Boolean).join(" · ") || "no comment", this.doing(one)];
    });
    const more = this.flagged.matched > this.flagged.items.length ? button(`All ${short(this.flagged.matched)}`, () => this.go({ flagged: true }), { kind: "small" }) : null;
    return this.card("Flagged samples", "What annotators wanted somebody to look at, the newest first.", this.list("flagged", ["Sample", "Label", "Flagged by", "Comment", "Do"], rows, "There is none."), more);
  }

  // ------------------------------------------------------------------ parts

  sample(id) {
    return button(id, () => this.go({ id }), { kind: "plain link" });
  }

  doing(one) {
    return this.actions.buttons(one);
  }

  list(name, head, rows, empty = "There is none.") {
    if (!rows.length) return h("p", { class: "muted list-empty" }, empty);
    const all = this.all.has(name) || rows.length <= MOST_ROWS;
    const shown = all ? rows : rows.slice(0, MOST_ROWS);
    const cells = (row) => row.map((one, place) => h(place ? "td" : "th", { ...(place ? {} : { scope: "row" }), "data-name": head[place] }, place === row.length - 1 && Array.isArray(one) ? h("div", { class: "row" }, one) : one));
    const table = h("table", { class: "list" }, h("caption", { class: "visually-hidden" }, name), h("thead", {}, h("tr", {}, head.map((one) => (one ? h("th", { scope: "col" }, one) : h("td", {}))))), h("tbody", {}, shown.map((row) => h("tr", {}, cells(row)))));
    const more = all ? null : button(`Show all ${rows.length}`, () => { this.all.add(name); this.draw(); }, { kind: "small" });
    return h("div", {}, h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `List: ${name}` }, table), more);
  }
}

function pace(found) {
  if (!found) return "–";
  const seconds = (value) => (value < 10 ? value.toFixed(1) : String(Math.round(value)));
  return found.low === null ? seconds(found.median) : `${seconds(found.median)} (${seconds(found.low)} to ${seconds(found.high)})`;
}
