// What a person does about labelled samples: look through them, correct one, ask another annotator about one.

import { short } from "./chart.js";
import { Choice } from "./choice.js";
import { classText } from "./classes.js";
import { button, dialog, fill, h } from "./dom.js";

const PAGE = 25;
const LOOKS = 40; // for a correction that was sent, until it is read
const LOOK_MS = 250;

const REASONS = {
  uncertain: "asked for in doubt", explore: "drawn at random", warmup: "first samples", manual: "asked for by hand",
  seed: "label that came with the data", unsolicited: "label without a query",
};

/** A class as text; a word for none. */
export const named = (label, none = "others") => (label === null || label === undefined ? none : classText(label));

/** A share in whole percent; of shares below 1% a digit more. */
export const percent = (share) => `${share > 0 && share < 0.01 ? (100 * share).toFixed(1) : Math.round(100 * share)}%`;

/** A share with its interval, such as "92% (88% to 95%)". */
export function interval(found, share = "estimate") {
  if (!found || found[share] === null || found[share] === undefined) return "–";
  return `${percent(found[share])} (${percent(found.low)} to ${percent(found.high)})`;
}

function shown(value) {
  if (value === null || value === undefined) return "–";
  return typeof value === "number" && !Number.isInteger(value) ? value.toLocaleString("en", { maximumSignificantDigits: 6 }) : String(value);
}

const moment = (text) => {
  const at = Date.parse(text || "");
  return Number.isNaN(at) ? "" : new Date(at).toLocaleString();
};

/** The actions on a sample; `done` is called with a sentence when something has changed. */
export class Actions {
  constructor({ api, session, announce, fail, navigate }, done) {
    Object.assign(this, { api, session, announce, fail, navigate, done });
  }

  get admin() {
    return this.session.role === "admin";
  }

  /** The buttons of a sample. */
  buttons({ id, label, again = null }) {
    const mayLabel = this.session.role !== "read";
    const asked = again === "waiting" ? "Waits for the budget" : again === "pending" ? "Another annotator is asked" : "Ask another annotator";
    return [
      button(asked, () => this.relabel(id), {
        kind: "small", disabled: !this.admin || again !== null, "aria-label": `${asked}: ${id}`,
        title: this.admin ? "Its query takes the place of the next one that the budget buys" : "This needs the role admin",
      }),
      button("Correct …", () => this.choose(id, label), {
        kind: "small", disabled: !mayLabel, "aria-label": `Correct the label of ${id}`,
        title: mayLabel ? "Give it another class" : "This needs the role label or admin",
      }),
    ];
  }

  async relabel(id) {
    try {
      const found = await this.api.post("v1/quality/relabel", { ids: [id] });
      this.fail(null);
      const [refused] = found.refused;
      await this.done(refused ? `${id} is not asked about again: ${refused.why}.` : `Another annotator will be asked about ${id}. ${short(found.waiting)} wait for the budget now.`, id);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Let the person choose the right class of a sample, and correct it. */
  async choose(id, label) {
    const chosen = await dialog(`Correct ${id}`, (close) => {
      const choice = new Choice((one) => close({ label: one }));
      choice.update(this.session.classes, this.session.open_classes);
      const keys = (event) => {
        if (event.target instanceof HTMLInputElement || event.ctrlKey || event.metaKey || event.altKey) return;
        const one = /^\d$/.test(event.key) ? choice.byDigit(event.key) : undefined;
        if (one !== undefined) close({ label: one });
      };
      const other = this.session.open_classes ? button("New class", () => choice.create(), { kind: "small" }) : null;
      const content = [
        h("div", { class: "form" }, h("p", {}, "The label that counts is ", h("strong", {}, named(label)), ". Which is right? The model is built anew as if it had been given at once."), choice.root, other),
      ];
      queueMicrotask(() => {
        content[0].closest("dialog").addEventListener("keydown", keys);
        content[0].querySelector(".class")?.focus();
      });
      return content;
    });
    if (chosen !== null) await this.correct(id, chosen.label);
  }

  async correct(id, label) {
    const { annotator } = this.session;
    try {
      const found = await this.api.post("v1/corrections", { id, label, ...(annotator ? { annotator } : {}) });
      this.fail(null);
      if (!found.accepted) {
        await this.done(`${id} has the label ${named(label)} already.`, id);
        return;
      }
      this.announce(`The correction of ${id} is sent.`);
      await this.read(id, label);
      await this.done(`${id} is corrected from ${named(found.former_label)} to ${named(label)}.`, id);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Wait until the service has read a correction, for some seconds at most. */
  async read(id, label) {
    for (let look = 0; look < LOOKS; look += 1) {
      const { items } = await this.api.get(`v1/quality/items?${new URLSearchParams({ id, limit: 1 })}`);
      if (!items.length || items[0].label === label) return;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }
}

/** The list of the samples that an address asks for. Returns what ends it. */
export async function mountItems(root, context, title) {
  const { api, parameters, fail, announce, navigate } = context;
  let offset = 0;
  let ended = false;
  const list = h("div", { class: "stack", role: "list", "aria-label": "Samples" });
  const pages = h("div", { class: "row table-pages" });
  const count = h("p", { class: "muted", tabindex: "-1" });
  const said = h("p", { class: "card said", hidden: true });
  const actions = new Actions(context, async (text, id) => {
    said.hidden = false;
    said.textContent = text;
    announce(text);
    await load();
    [...list.children].find((one) => one.dataset.id === id)?.querySelector("button:not(:disabled)")?.focus();
  });
  fill(
    root,
    h("div", { class: "row items-head" }, button("Back to Quality", () => navigate("quality"), { kind: "small" }), h("h1", {}, title), count),
    said,
    list,
    pages,
  );

  async function load() {
    try {
      const query = new URLSearchParams(parameters);
      query.set("limit", PAGE);
      query.set("offset", offset);
      const found = await api.get(`v1/quality/items?${query}`);
      if (!ended) draw(found);
    } catch (error) {
      fail(error);
    }
  }

  function draw(found) {
    const end = Math.min(found.matched, offset + PAGE);
    count.textContent = found.matched ? `${short(offset + 1)} to ${short(end)} of ${short(found.matched)}, the newest first. The last ${short(found.kept)} labelled samples are kept.` : `None of the last ${short(found.kept)} labelled samples. Older ones are no longer kept.`;
    fill(list, found.items.map((one) => card(one)));
    const turn = async (by) => {
      offset = Math.max(0, offset + by);
      await load();
      count.focus();
    };
    fill(
      pages,
      found.matched > PAGE ? [button("Back", () => turn(-PAGE), { kind: "small", disabled: offset === 0, "aria-label": "Page before" }), button("On", () => turn(PAGE), { kind: "small", disabled: end >= found.matched, "aria-label": "Next page" })] : null,
    );
  }

  function card(one) {
    const chips = [
      h("span", { class: `chip ${one.predicted === one.label ? "" : "accent"}` }, `predicted ${named(one.predicted, "nothing")}`),
      one.corrected ? h("span", { class: "chip" }, "corrected") : null,
      h("span", { class: "muted" }, REASONS[one.reason] || one.reason || ""),
    ];
    const notes = one.labels.map((note) =>
      h(
        "li",
        {},
        h("strong", {}, named(note.label)),
        h("span", { class: "muted" }, ` by ${note.annotator ?? "somebody without a name"}`),
        note.flagged ? h("span", { class: "chip warn-chip" }, "flagged") : null,
        note.comment ? h("span", { class: "comment" }, ` “${note.comment}”`) : null,
      ),
    );
    const rows = Object.entries(one.features).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, shown(value))));
    return h(
      "article",
      { class: "card sample", role: "listitem", "data-id": one.id },
      h("div", { class: "sample-head" }, h("h2", {}, one.id), h("div", { class: "row" }, actions.buttons(one), button("Explore", () => navigate("explore", { id: one.id }), { kind: "small plain", "aria-label": `Show ${one.id} on Explore` }))),
      h("p", { class: "row" }, h("span", {}, "Label ", h("strong", { class: "counts" }, named(one.label))), chips),
      h("ul", { class: "notes", "aria-label": "Labels" }, notes),
      rows.length ? h("dl", { class: "values" }, rows) : h("p", { class: "muted" }, "Its features are not kept."),
      one.labelled_at ? h("p", { class: "muted small" }, `labelled ${moment(one.labelled_at)}`) : null,
    );
  }

  await load();
  return () => {
    ended = true;
  };
}
