// Label: the page on which people give labels, one query after the other, by keyboard if they like.

import { Choice } from "./choice.js";
import { classText } from "./classes.js";
import { button, dialog, fill, h, isTyping, key } from "./dom.js";
import { ItemView, hiddenFor } from "./item.js";
import { Leases } from "./leases.js";
import { markdown } from "./markdown.js";
import { Outbox } from "./outbox.js";
import { counted } from "./session.js";

const MINUTE_MS = 60_000;
const WINDOW_MS = 5 * MINUTE_MS; // over which labels a minute are counted
const REASONS = ["Not clear", "Not enough to decide", "Broken or empty", "Not my field"];
const GUESSED = 5; // classes of the guess
const HELP = [
  ["1 … 9 0", "give the class with this number; the keypad too"],
  ["/", "search classes; Enter takes the first, arrows choose"],
  ["n", "new class"],
  ["g", "show the guess of the model"],
  ["s", "skip, with a reason"],
  ["f", "flag, with a comment"],
  ["u", "undo the last label; also Ctrl+Z and Backspace"],
  ["z + −", "image: fit, zoom in, zoom out"],
  ["[ ]", "image: darker, brighter"],
  ["p , .", "sound: play or pause, slower, faster"],
  ["?", "this help"],
];

let outbox = null; // outlives the page, because labels may be on their way

export function mount(root, context) {
  if (context.session.role === "read") {
    fill(root, h("div", { class: "card empty" }, h("h1", {}, "Label"), h("p", {}, "Your token may read. To label, sign in with a token that has the role label.")));
    return () => {};
  }
  const page = new LabelPage(root, context);
  return () => page.end();
}

class LabelPage {
  constructor(root, context) {
    this.context = context;
    const { session, api, status } = context;
    this.count = counted(session.application, session.annotator);
    this.given = []; // when labels were given, for labels a minute
    this.item = null;
    this.view = new ItemView(session.media_hosts);
    this.choice = new Choice((label) => this.label(label));
    const events = {
      onChange: () => this.drawHeld(),
      onSent: (label, expected, meaning) => this.sent(label, expected, meaning),
      onRefused: (label, error) => this.refused(label, error),
    };
    outbox ??= new Outbox(api, events);
    outbox.listen(events);
    this.build(root);
    this.leases = new Leases(context, () => this.show());
    this.stops = [];
    this.stops.push(status.subscribe(() => this.drawClasses()));
    this.listen(document, "keydown", (event) => this.key(event));
    this.listen(document, "desk:help", () => this.help());
    this.listen(document, "visibilitychange", () => document.hidden || this.leases.wake());
    this.listen(window, "pagehide", () => this.leave());
    this.listen(window, "pageshow", (event) => event.persisted && location.reload());
    for (const name of ["pointerdown", "keydown"]) this.listen(window, name, () => this.leases.touch());
    const timer = setInterval(() => this.drawFigures(), 5000);
    this.stops.push(() => clearInterval(timer));
    this.show();
    this.leases.fill();
  }

  listen(target, name, run) {
    target.addEventListener(name, run);
    this.stops.push(() => target.removeEventListener(name, run));
  }

  build(root) {
    const { guidelines } = this.context.session;
    this.figures = h("dl", { class: "figures", "aria-label": "Progress" });
    this.guess = h("div", { class: "guess" });
    this.held = h("div", { class: "held" });
    this.flag = button("Flag", () => this.toggleFlag(), { shortcut: "f", "aria-pressed": "false" });
    this.comment = h("textarea", { id: "comment", maxlength: 2000, placeholder: "What should others know?" });
    this.comment.addEventListener("keydown", (event) => {
      if (event.key === "Escape" || (event.key === "Enter" && (event.ctrlKey || event.metaKey))) this.comment.blur();
    });
    this.commentBox = h("div", { hidden: true, class: "form" }, h("label", { for: "comment" }, "Comment"), this.comment);
    this.newClass = button("New class", () => this.choice.create(), { shortcut: "n" });
    const actions = h(
      "div",
      { class: "actions" },
      button("Skip", () => this.skip(), { shortcut: "s" }),
      this.flag,
      this.newClass,
      button("Guess", () => this.showGuess(), { shortcut: "g", "aria-label": "Show the guess of the model" }),
    );
    this.labelCard = h("section", { class: "card stack label-card", "aria-label": "Your label" }, this.choice.root, actions, this.commentBox, this.guess, this.held);
    const side = h(
      "div",
      { class: "side stack" },
      this.labelCard,
      guidelines
        ? h("details", { class: "card", open: matchMedia("(min-width: 981px)").matches }, h("summary", {}, "Guidelines"), h("div", { class: "guidelines" }, markdown(guidelines)))
        : null,
    );
    this.empty = h("div", { class: "card empty" });
    this.main = h("div", { class: "stack" });
    this.desk = h("div", { class: "desk" }, this.main, side);
    fill(root, this.figures, this.desk);
  }

  /** Draw the first query, or that there is none. */
  show() {
    const item = this.leases.current;
    this.drawFigures();
    this.drawClasses();
    if (item && item === this.item) return;
    this.item = item;
    this.guessShown = false;
    this.setFlag(false);
    this.comment.value = "";
    this.commentBox.hidden = true;
    this.drawHeld();
    if (!item) {
      this.view.stop();
      fill(this.main, this.emptyCard());
      return;
    }
    this.view.show(item);
    if (this.view.root.parentElement !== this.main) fill(this.main, this.view.root);
    this.drawGuess();
    window.scrollTo(0, 0); // the one before may have been long
  }

  emptyCard() {
    const { pending, free, asking } = this.leases;
    const others = pending > 0 && free === 0;
    const waiting = pending === null || (asking && free > 0);
    return h(
      "div",
      { class: "card empty" },
      h("h1", {}, waiting ? "Looking for queries …" : others ? "All queries are taken" : "Nothing to label"),
      h("p", {}, waiting ? "" : others ? `Other annotators hold the ${pending} pending queries. A query comes back when its lease runs out.` : "Queries appear here by themselves as soon as the model asks."),
    );
  }

  drawClasses() {
    const { classes, open_classes: open } = this.context.session;
    this.choice.update(classes, open);
    this.newClass.hidden = !open;
    this.drawFigures();
  }

  drawFigures() {
    const { session } = this.context;
    const now = performance.now();
    this.given = this.given.filter((at) => now - at < WINDOW_MS);
    const span = this.given.length > 1 ? Math.max(now - this.given[0], 1000) : 0;
    const rate = span ? ((this.given.length - 1) * MINUTE_MS) / span : null;
    const pending = this.leases?.pending ?? session.pending;
    const left = session.budget_left;
    const rows = [
      ["mine today", this.count.today],
      ["a minute", rate === null ? "–" : rate < 10 ? rate.toFixed(1) : Math.round(rate)],
      ["pending", pending],
      left === null || left === undefined
        ? ["of the samples are asked about", `${+(100 * session.budget_share).toPrecision(3)}%`]
        : ["labels left in the budget", left],
    ];
    if (typeof session.agreement === "number") rows.push(["agreement with others", `${Math.round(100 * session.agreement)}%`]);
    fill(this.figures, rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(value)))));
  }

  drawGuess() {
    const hidden = hiddenFor(this.item);
    if (!this.guessShown) {
      fill(this.guess);
      return;
    }
    if (hidden) {
      fill(this.guess, h("p", { class: "muted" }, hidden));
      return;
    }
    const { probabilities } = this.item.query.prediction;
    const rows = Object.entries(probabilities).sort((one, other) => other[1] - one[1]).slice(0, GUESSED);
    fill(
      this.guess,
      h("h2", {}, "The model's guess"),
      rows.map(([name, share]) =>
        h(
          "div",
          { class: "guess-row" },
          h("span", {}, name),
          h("span", { class: "number" }, `${Math.round(100 * share)}%`),
          h("progress", { max: 1, value: share, "aria-label": name }),
        ),
      ),
    );
  }

  drawHeld() {
    if (!outbox) return;
    const { held, waiting, failures } = outbox;
    const rows = [];
    if (held) {
      const what = held.label.skipped ? "Skipped" : ["Labelled ", h("strong", {}, classText(held.label.label, this.choice.classes))];
      rows.push(h("span", {}, ...[what].flat()), button("Undo", () => this.undo(), { shortcut: "u" }));
    } else if (failures) {
      rows.push(h("span", { class: "bad" }, `${waiting.length} ${waiting.length === 1 ? "label waits" : "labels wait"} to be sent`));
    } else if (this.note) rows.push(h("span", {}, this.note));
    else if (this.given.length) rows.push(h("span", {}, "All labels are sent."));
    this.held.hidden = !rows.length;
    fill(this.held, rows);
    this.labelCard.classList.toggle("idle", !this.item);
    this.labelCard.hidden = !this.item && this.held.hidden;
  }

  showGuess() {
    if (!this.item || this.guessShown) return;
    this.guessShown = true;
    const hidden = hiddenFor(this.item);
    this.drawGuess();
    if (hidden) {
      this.context.announce(hidden);
      return;
    }
    this.view.reveal();
    this.context.announce(`The model's guess is ${classText(this.item.query.prediction.label)}`);
  }

  setFlag(flagged) {
    this.flagged = flagged;
    this.flag.setAttribute("aria-pressed", String(flagged));
  }

  toggleFlag() {
    if (!this.item) return;
    this.setFlag(!this.flagged);
    this.commentBox.hidden = !this.flagged;
    if (this.flagged) this.comment.focus();
    this.context.announce(this.flagged ? "Flagged. Write a comment, and press Escape to go on." : "Not flagged");
  }

  /** What every message about the query in hand has. */
  message() {
    const { query } = this.item;
    const { annotator } = this.context.session;
    const comment = this.comment.value.trim();
    return {
      id: query.id,
      ...(query.version ? { version: query.version } : {}),
      ...(annotator ? { annotator } : {}),
      labelled_at: new Date().toISOString(),
      guess_shown: this.guessShown && hiddenFor(this.item) === null,
      ...(this.flagged ? { flagged: true } : {}),
      ...(this.flagged && comment ? { comment } : {}),
    };
  }

  label(label) {
    if (!this.item) return;
    this.finish({ ...this.message(), label }, `Labelled ${classText(label, this.choice.classes)}.`);
  }

  async skip() {
    if (!this.item) return;
    const mine = this.item;
    const reason = await dialog("Skip this query", (close) => {
      const field = h("input", { id: "reason", maxlength: 200, autocomplete: "off" });
      const submit = (event) => {
        event.preventDefault();
        close(field.value.trim());
      };
      const choose = (event) => {
        const chosen = REASONS[Number(event.key) - 1];
        if (chosen && event.target !== field) {
          event.preventDefault();
          close(chosen);
        }
      };
      const buttons = REASONS.map((text, place) => button(text, () => close(text), { shortcut: String(place + 1), kind: "class", autofocus: place === 0 }));
      return [
        h(
          "form",
          { class: "form", on: { submit, keydown: choose } },
          h("p", {}, "Its query is closed without a label. Why?"),
          h("div", { class: "classes" }, buttons),
          h("label", { for: "reason" }, "Another reason"),
          field,
          h("button", { type: "submit", class: "button" }, "Skip"),
        ),
      ];
    });
    if (reason === null || this.item !== mine) return;
    this.finish({ ...this.message(), skipped: true, ...(reason ? { skip_reason: reason } : {}) }, "Skipped.");
  }

  finish(message, said) {
    const item = this.item;
    this.note = "";
    outbox.put(message, item);
    this.given.push(performance.now());
    if (!message.skipped) this.count.add(1);
    this.leases.done();
    const next = this.item ? `Next query: ${this.item.query.id}.` : "No more queries.";
    this.context.announce(`${said} ${next}`);
  }

  undo() {
    const label = outbox.held?.label;
    const item = outbox.undo();
    if (!item) {
      this.context.announce("There is nothing to undo: the last label is sent.");
      return;
    }
    this.given.pop();
    if (!label.skipped) this.count.add(-1);
    this.leases.undo(item);
    this.context.announce(`Undone. Query ${item.query.id} is back.`);
  }

  sent(label, expected, meaning) {
    if (["labelled", "skipped", "unsolicited"].includes(expected) || !expected) return;
    this.note = `${label.id}: ${expected}. ${meaning}`;
    this.drawHeld();
    this.context.announce(this.note);
  }

  refused(label, error) {
    this.context.fail(new Error(`The label of ${label.id} was refused: ${error.detail}`));
    this.count.add(label.skipped ? 0 : -1);
    this.drawFigures();
  }

  key(event) {
    if (document.querySelector("dialog[open]") || isTyping(event)) return;
    const undoing = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z";
    if (undoing || event.key === "Backspace") {
      event.preventDefault();
      if (!event.repeat) this.undo();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1];
    const pressed = digit !== undefined && !event.shiftKey ? digit : event.key;
    const run = this.shortcut(pressed);
    if (!run) return;
    event.preventDefault();
    run();
  }

  shortcut(pressed) {
    if (/^\d$/.test(pressed)) {
      const label = this.choice.byDigit(pressed);
      return label === undefined ? () => this.unknownDigit(pressed) : () => this.label(label);
    }
    const own = {
      "/": () => this.choice.search(),
      n: () => this.context.session.open_classes && this.item && this.choice.create(),
      g: () => this.showGuess(),
      s: () => this.skip(),
      f: () => this.toggleFlag(),
      u: () => this.undo(),
    };
    return own[pressed] || (this.item ? this.view.keys[pressed] : null);
  }

  unknownDigit(pressed) {
    this.note = `No class has the key ${pressed}.`;
    this.drawHeld();
    this.context.announce(this.note);
  }

  help() {
    if (document.querySelector("dialog[open]")) return;
    const rows = HELP.map(([keys, text]) => [h("dt", {}, ...keys.split(" ").flatMap((one) => [one === "…" ? " … " : key(one), " "])), h("dd", {}, text)]);
    dialog("Keys", () => [h("dl", { class: "keys" }, rows.flat())]);
  }

  leave() {
    outbox.leave();
    this.leases.end({ leaving: true });
  }

  end() {
    outbox.flush();
    this.view.stop();
    this.leases.end();
    this.stops.forEach((stop) => stop());
  }
}
