// The choice of a class: buttons with number keys, search among many, new classes.

import { classText, readings, typeNote } from "./classes.js";
import { button, dialog, fill, h } from "./dom.js";

const DIGITS = "1234567890";
const SEARCHED = 9; // classes from which there is a search
const MOST_SHOWN = 60;

export class Choice {
  /** @param {function(any): void} onChoose Gets the class, with its type. */
  constructor(onChoose) {
    this._onChoose = onChoose;
    this._classes = [];
    this._added = [];
    this._open = false;
    this._place = 0;
    this._field = h("input", {
      type: "search", placeholder: "Search classes ( / )", "aria-label": "Search classes", autocomplete: "off", maxlength: 512,
      on: { input: () => this._typed(), keydown: (event) => this._key(event) },
    });
    this._buttons = h("div", { class: "classes", role: "group", "aria-label": "Classes" });
    this._note = h("p", { class: "muted" });
    this.root = h("div", {}, h("div", { class: "search" }, this._field), this._buttons, this._note);
  }

  /** Take the classes of now. */
  update(classes, open) {
    const all = [...classes, ...this._added.filter((one) => !classes.includes(one))];
    const same = all.length === this._classes.length && all.every((one, place) => one === this._classes[place]);
    if (same && open === this._open && this._buttons.childElementCount) return;
    this._classes = all;
    this._open = open;
    this._draw();
  }

  get classes() {
    return this._classes;
  }

  /** The class of a digit, 0 being the tenth; undefined if there is none. */
  byDigit(digit) {
    return this._classes[DIGITS.indexOf(digit)];
  }

  /** Go to the search. */
  search() {
    this._field.parentElement.hidden = false;
    this._field.focus();
    this._field.select();
  }

  /** Ask for a class that is not there yet, and choose it. */
  async create(text = "") {
    const chosen = await dialog("New class", (close) => {
      const field = h("input", { id: "new-class", value: text, maxlength: 512, required: true, autofocus: true, autocomplete: "off" });
      const types = h("fieldset", { class: "choices", hidden: true });
      const draw = () => {
        const found = readings(field.value);
        types.hidden = found.length < 2;
        const radios = found.map(({ type }, place) =>
          h("label", {}, h("input", { type: "radio", name: "type", value: type, checked: place === 0 }), type),
        );
        fill(types, h("legend", { class: "muted" }, "Its type"), ...radios);
      };
      field.addEventListener("input", draw);
      draw();
      const submit = (event) => {
        event.preventDefault();
        if (!field.value.trim()) return;
        const type = types.querySelector("input:checked")?.value;
        close(readings(field.value).find((one) => one.type === type) || readings(field.value)[0]);
      };
      return [
        h(
          "form",
          { class: "form", on: { submit } },
          h("label", { for: "new-class" }, "Name"),
          field,
          types,
          h("button", { type: "submit", class: "button primary" }, "Label this query with it"),
        ),
      ];
    });
    if (chosen === null) return;
    if (!this._classes.includes(chosen.value)) {
      this._added.push(chosen.value);
      this._classes = [...this._classes, chosen.value];
    }
    this._draw();
    this._onChoose(chosen.value);
  }

  _found() {
    const wanted = this._field.value.trim().toLowerCase();
    if (!wanted) return this._classes;
    const text = (one) => classText(one, this._classes).toLowerCase();
    const found = this._classes.filter((one) => text(one).includes(wanted));
    return found.sort((one, other) => text(other).startsWith(wanted) - text(one).startsWith(wanted));
  }

  _draw() {
    const searching = this._field.value.trim() !== "";
    const found = this._found();
    this._field.parentElement.hidden = this._classes.length < SEARCHED && !searching && document.activeElement !== this._field;
    const before = this._buttons.contains(document.activeElement) ? document.activeElement.dataset.name : null;
    fill(this._buttons, found.slice(0, MOST_SHOWN).map((one, place) => this._button(one, searching && place === this._place)));
    if (before !== null) [...this._buttons.children].find((one) => one.dataset.name === before)?.focus();
    const more = found.length - MOST_SHOWN;
    const none = searching && !found.length;
    if (none && this._open) fill(this._note, button(`New class “${this._field.value.trim()}”`, () => this._new()));
    else fill(this._note, none ? "No class has this text." : more > 0 ? `${more} more: search for them.` : !found.length ? "There is no class yet: make one (n)." : "");
  }

  _button(one, chosen) {
    const text = classText(one, this._classes);
    const note = typeNote(one, this._classes);
    const digit = DIGITS[this._classes.indexOf(one)] || null;
    const given = {
      type: "button",
      class: chosen ? "button class chosen" : "button class",
      "aria-keyshortcuts": digit,
      data: { name: JSON.stringify(one) },
      on: { click: () => this._choose(one) },
    };
    const name = h("span", {}, text, note ? h("small", {}, note) : null);
    return h("button", given, name, digit ? h("kbd", { "aria-hidden": "true" }, digit) : null);
  }

  _choose(one) {
    this._clear();
    this._onChoose(one);
  }

  _new() {
    const text = this._field.value;
    this._clear();
    this.create(text);
  }

  _clear() {
    if (document.activeElement === this._field) this._field.blur();
    if (!this._field.value) return;
    this._field.value = "";
    this._place = 0;
    this._draw();
  }

  _typed() {
    this._place = 0;
    this._draw();
  }

  _key(event) {
    const found = this._found();
    if (event.key === "Escape") {
      this._clear();
      this._field.blur();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const by = event.key === "ArrowDown" ? 1 : -1;
      this._place = Math.max(0, Math.min(Math.min(found.length, MOST_SHOWN) - 1, this._place + by));
      this._draw();
      this._buttons.children[this._place]?.scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter" && this._field.value.trim()) {
      if (found.length) this._choose(found[this._place]);
      else if (this._open) this._new();
    } else return;
    event.preventDefault();
  }
}
