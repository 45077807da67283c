// Explore: the last samples and the pending queries on a map, and the same ones in a table.
//
// The map is for the eye and the pointer. Everything that it offers the table offers too: it is sorted, filtered
// by the same words, and its rows are chosen and opened by keyboard.

import { percent, short } from "./chart.js";
import { button, fill, h } from "./dom.js";
import { CATEGORIES, OTHER, createMap, gradient, unpack } from "./map.js";
import { REASONS, STATES, samplePanel, shown } from "./sample.js";

const PAGE = 25;
const MOST_NAMES = 20; // features that are named where a filter finds nothing
const MOST_ASKED = 500;
const MOST_EXPORTED = 1000;
const COLOURS = { utility: "utility", class: "predicted class", label: "label", reason: "reason" };
const SORTS = { newest: "newest first", utility: "most useful first", id: "by id" };

export async function mount(root, { api, session, announce, fail, parameters, navigate }) {
  let map = null; // what the service sent, unpacked
  let colourBy = "utility";
  let features = []; // the names of those of the items that were shown last
  let matched = null; // numbers that the filter finds; null for all
  let where = parameters.get("where") || (parameters.get("id") ? `@id = ${quoted(parameters.get("id"))}` : "");
  let sort = "newest";
  let offset = 0;
  let current = null;
  const chosen = new Set(); // numbers
  let ended = false;

  const canvas = h("canvas", { class: "map", tabindex: "0", role: "img", "aria-label": "Map of the samples" });
  const tip = h("div", { class: "map-tip", hidden: true, "aria-hidden": "true" });
  const legend = h("div", { class: "map-legend", "aria-label": "Legend", role: "group" });
  const count = h("p", { class: "muted map-count" });
  const panel = h("section", { class: "card item-panel", "aria-label": "Item", tabindex: "-1" });
  const bar = h("div", { class: "chosen-bar card", role: "group", "aria-label": "Chosen items", hidden: true });
  const table = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Items as a table" });
  const pages = h("div", { class: "row table-pages" });
  const field = h("input", { id: "where", type: "search", value: where, maxlength: 1000, autocomplete: "off", spellcheck: "false", placeholder: "amount > 100 and country = NL", "aria-describedby": "where-help" });
  const said = h("p", { class: "bad", role: "alert", hidden: true });
  const colour = h("select", { id: "colour", on: { change: () => setColour(colour.value) } }, Object.entries(COLOURS).map(([value, text]) => h("option", { value }, text)));
  const order = h("select", { id: "sort", on: { change: () => { sort = order.value; offset = 0; search(); } } }, Object.entries(SORTS).map(([value, text]) => h("option", { value }, text)));
  const modes = h(
    "div",
    { class: "row", role: "group", "aria-label": "What dragging does" },
    button("Move", () => setMode("pan"), { kind: "small", "aria-pressed": "true", "data-mode": "pan" }),
    button("Lasso", () => setMode("lasso"), { kind: "small", "aria-pressed": "false", "data-mode": "lasso" }),
  );
  const view = createMap(canvas, { pick: (place) => place >= 0 && open(map.numbers[place]), lasso, hover });

  fill(
    root,
    h("h1", { class: "visually-hidden" }, "Explore"),
    h(
      "form",
      { class: "card filter", role: "search", on: { submit: (event) => { event.preventDefault(); where = field.value; offset = 0; search(); } } },
      h("label", { for: "where" }, "Search and filter"),
      h("div", { class: "row filter-row" }, field, h("button", { type: "submit", class: "button primary" }, "Find"), button("All", () => { field.value = where = ""; offset = 0; search(); })),
      said,
      h("details", { class: "filter-help" }, h("summary", { id: "where-help" }, "What can be written here"), help()),
    ),
    h(
      "div",
      { class: "explore" },
      h(
        "section",
        { class: "card map-card", "aria-label": "Map" },
        h(
          "div",
          { class: "row map-tools" },
          h("label", { for: "colour" }, "Colour by"),
          colour,
          modes,
          h("div", { class: "row", role: "group", "aria-label": "Zoom" },
            button("+", () => view.zoom(1.6), { kind: "small", "aria-label": "Zoom in" }),
            button("−", () => view.zoom(1 / 1.6), { kind: "small", "aria-label": "Zoom out" }),
            button("Whole map", view.reset, { kind: "small" })),
          button("Read again", load, { kind: "small" }),
        ),
        h("div", { class: "map-box" }, canvas, tip),
        legend,
        count,
      ),
      h("div", { class: "stack explore-side" }, bar, panel),
    ),
    h("section", { class: "card", "aria-label": "Table" }, h("div", { class: "row table-head" }, h("h2", {}, "The same items as a table"), h("label", { for: "sort" }, "Order"), order), table, pages),
  );
  drawPanel();

  const theme = () => document.documentElement.dataset.theme || "light";

  async function load() {
    try {
      const found = await api.get("v1/explore/points");
      if (ended) return;
      map = {
        ...found,
        numbers: unpack(found.numbers, Int32Array), x: unpack(found.x, Int16Array), y: unpack(found.y, Int16Array),
        utility: unpack(found.utility, Uint8Array), class: unpack(found.class, Int16Array), label: unpack(found.label, Int16Array),
        reason: unpack(found.reason, Uint8Array), state: unpack(found.state, Uint8Array),
      };
      fail(null);
      await search();
    } catch (error) {
      fail(error);
    }
  }

  async function search() {
    const query = new URLSearchParams({ where, sort, limit: PAGE, offset });
    try {
      const found = await api.get(`v1/explore/items?${query}`);
      if (ended) return;
      said.hidden = true;
      matched = where.trim() ? new Set(unpack(found.numbers, Int32Array)) : null;
      drawTable(found);
      drawMap();
      announce(`${found.matched} of ${found.total} items found`);
    } catch (error) {
      if (error.status !== 422) {
        fail(error);
        return;
      }
      said.hidden = false;
      said.textContent = error.detail;
    }
  }

  function setColour(value) {
    colourBy = value;
    drawMap();
  }

  function setMode(value) {
    view.setMode(value);
    for (const one of modes.children) one.setAttribute("aria-pressed", String(one.dataset.mode === value));
    canvas.classList.toggle("lassoing", value === "lasso");
  }

  // ------------------------------------------------------------------ the map

  function colouring() {
    const dark = theme() === "dark" ? "dark" : "light";
    if (colourBy === "utility") {
      const colours = Array.from({ length: 256 }, (_, n) => gradient(n / 255, dark));
      return { of: (place) => colours[map.utility[place]], items: [0, 0.25, 0.5, 0.75, 1].map((v) => [gradient(v, dark), String(v)]) };
    }
    const numbers = map[colourBy];
    const names = colourBy === "reason" ? map.reasons.map((one) => REASONS[one] || one) : map.classes;
    const totals = new Map();
    for (const one of numbers) totals.set(one, (totals.get(one) || 0) + 1);
    const palette = CATEGORIES[dark];
    const ranked = [...totals.keys()].filter((one) => one >= 0).sort((a, b) => a - b);
    const kept = ranked.length > palette.length ? [...ranked].sort((a, b) => totals.get(b) - totals.get(a)).slice(0, palette.length).sort((a, b) => a - b) : ranked;
    const found = new Map(kept.map((one, n) => [one, palette[n]]));
    const items = kept.map((one) => [found.get(one), `${names[one]} (${short(totals.get(one))})`]);
    const rest = ranked.filter((one) => !found.has(one)).reduce((sum, one) => sum + totals.get(one), 0);
    if (rest) items.push([OTHER[dark], `others (${short(rest)})`]);
    if (totals.get(-1)) items.push([OTHER[dark], `${colourBy === "label" ? "no label" : "no prediction"} (${short(totals.get(-1))})`]);
    return { of: (place) => found.get(numbers[place]) || OTHER[dark], items };
  }

  function drawMap() {
    if (!map) return;
    const { of, items } = colouring();
    const pending = map.states.indexOf("pending");
    view.set({
      x: map.x, y: map.y,
      colours: Array.from({ length: map.count }, (_, place) => of(place)),
      ringed: (place) => map.state[place] === pending,
      faded: (place) => matched !== null && !matched.has(map.numbers[place]),
      chosen: (place) => chosen.has(map.numbers[place]),
      current: current === null ? -1 : map.numbers.indexOf(current),
    });
    const waiting = map.state.filter((one) => one === pending).length;
    const found = matched === null ? map.count : map.numbers.filter((one) => matched.has(one)).length;
    fill(
      legend,
      items.map(([paint, text]) => {
        const swatch = h("span", { class: "swatch", "aria-hidden": "true" });
        swatch.style.background = paint;
        return h("span", { class: "legend-item" }, swatch, text);
      }),
      waiting ? h("span", { class: "legend-item" }, h("span", { class: "swatch ring", "aria-hidden": "true" }), `waits for its label (${short(waiting)})`) : null,
    );
    fill(count, map.count ? `${short(found)} of ${short(map.count)} items. Near points look alike to the model; the map shows ${percent(map.share)} of how they differ.` : "No sample has come yet.");
    canvas.setAttribute(
      "aria-label",
      `Map of ${map.count} items coloured by ${COLOURS[colourBy]}, ${found} of them shown, ${waiting} waiting for a label. Arrow keys move it, plus and minus zoom. The table below has the same items.`,
    );
  }

  function hover(place, x, y) {
    tip.hidden = place < 0;
    canvas.classList.toggle("over", place >= 0);
    if (place < 0) return;
    const name = map.class[place] >= 0 ? map.classes[map.class[place]] : "no prediction";
    const label = map.label[place] >= 0 ? `, label ${map.classes[map.label[place]]}` : "";
    tip.textContent = `${name}${label} · utility ${(map.utility[place] / 255).toFixed(2)} · ${REASONS[map.reasons[map.reason[place]]]}`;
    const right = x > canvas.clientWidth / 2;
    tip.style.left = right ? "auto" : `${x + 14}px`;
    tip.style.right = right ? `${canvas.clientWidth - x + 14}px` : "auto";
    tip.style.top = `${y + 10}px`;
  }

  function lasso(places) {
    for (const place of places) chosen.add(map.numbers[place]);
    announce(`${places.length} items in the lasso, ${chosen.size} chosen`);
    drawChosen();
  }

  // ------------------------------------------------------------------ what is chosen

  function drawChosen() {
    bar.hidden = chosen.size === 0;
    const admin = session.role === "admin";
    fill(
      bar,
      h("p", {}, h("strong", { class: "number" }, short(chosen.size)), chosen.size === 1 ? " item is chosen" : " items are chosen"),
      h(
        "div",
        { class: "row" },
        button("Ask for labels", () => ask([...chosen]), { kind: "primary", disabled: !admin, title: admin ? null : "This needs the role admin" }),
        button("Export", () => save([...chosen])),
        button("Choose none", () => { chosen.clear(); drawChosen(); }),
      ),
      h("p", { class: "muted" }, admin ? "Each label takes the place of the next one that the budget buys, so no label more is bought." : "To ask for labels needs the role admin."),
      h("p", { class: "chosen-said", hidden: true }),
    );
    for (const box of table.querySelectorAll("input[type=checkbox]")) box.checked = chosen.has(Number(box.value));
    drawMap();
  }

  async function ask(numbers) {
    const line = bar.lastChild;
    try {
      const found = await api.post("v1/explore/ask", { numbers: numbers.slice(0, MOST_ASKED) });
      const left = numbers.length > MOST_ASKED ? ` ${numbers.length - MOST_ASKED} more than ${MOST_ASKED} were left out.` : "";
      const reasons = new Map();
      for (const one of found.refused) reasons.set(one.why, (reasons.get(one.why) || 0) + 1);
      const refused = [...reasons].map(([why, number]) => ` ${number} refused: ${why}.`).join("");
      const text = `${found.asked} asked for; ${found.waiting} wait for the budget now.${refused}${left}`;
      const refusedNumbers = new Set(found.refused.map((one) => one.number));
      for (const one of numbers.slice(0, MOST_ASKED)) if (!refusedNumbers.has(one)) chosen.delete(one);
      fail(null);
      drawChosen();
      if (!chosen.size) bar.hidden = false;
      bar.lastChild.hidden = false;
      bar.lastChild.textContent = text;
      announce(text);
      await search();
      if (current !== null) await open(current, { focus: false });
    } catch (error) {
      if (error.status === 409 && !bar.hidden) {
        line.hidden = false;
        line.textContent = error.detail;
        announce(error.detail);
      } else fail(error);
    }
  }

  async function save(numbers) {
    try {
      let text = "";
      for (let begin = 0; begin < numbers.length; begin += MOST_EXPORTED) {
        const response = await api.request("POST", "v1/explore/export", { body: { numbers: numbers.slice(begin, begin + MOST_EXPORTED) } });
        text += await response.text();
      }
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([text], { type: "application/x-ndjson" }));
      link.download = `${session.application}-items.jsonl`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
      announce(`${text.split("\n").length - 1} items exported`);
    } catch (error) {
      fail(error);
    }
  }

  // ------------------------------------------------------------------ the table

  function drawTable(found) {
    const all = [...new Set(found.items.flatMap((one) => Object.keys(one.features || {})))];
    if (all.length) features = all; // a filter may name one that no item has
    const names = all.slice(0, 5);
    const there = features.slice(0, MOST_NAMES).join(", ") + (features.length > MOST_NAMES ? ", …" : "");
    const nothing = features.length ? `The filter finds nothing. The features of the items are ${there}.` : "The filter finds nothing.";
    const head = ["Choose", "Item", "Utility", "Predicted", "Label", "State", "Reason", ...names];
    const rows = found.items.map((one) =>
      h(
        "tr",
        { "data-number": one.number },
        h("td", {}, h("input", { type: "checkbox", value: one.number, checked: chosen.has(one.number), "aria-label": `Choose ${one.id}`, on: { change: (event) => { event.target.checked ? chosen.add(one.number) : chosen.delete(one.number); drawChosen(); } } })),
        h("th", { scope: "row" }, button(one.id, () => open(one.number), { kind: "plain link" })),
        h("td", { class: "number" }, one.utility.toFixed(2)),
        h("td", {}, one.class ?? "–"),
        h("td", {}, one.label === null ? "–" : String(one.label)),
        h("td", {}, STATES[one.state]),
        h("td", {}, REASONS[one.reason] || one.reason),
        names.map((name) => h("td", { class: "number" }, shown(one.features?.[name]))),
      ),
    );
    fill(
      table,
      found.items.length
        ? h("table", { class: "items" }, h("caption", { class: "visually-hidden" }, "Items"), h("thead", {}, h("tr", {}, head.map((one) => h("th", { scope: "col" }, one)))), h("tbody", {}, rows))
        : h("p", { class: "chart-empty" }, where.trim() ? nothing : "No sample has come yet."),
    );
    const end = Math.min(found.matched, offset + PAGE);
    fill(
      pages,
      h("p", { class: "muted number" }, found.matched ? `${short(offset + 1)} to ${short(end)} of ${short(found.matched)}` : ""),
      button("Back", () => turn(-PAGE), { kind: "small", disabled: offset === 0, "aria-label": "Page before" }),
      button("On", () => turn(PAGE), { kind: "small", disabled: end >= found.matched, "aria-label": "Next page" }),
      button("Choose this page", () => { for (const one of found.items) chosen.add(one.number); drawChosen(); }, { kind: "small", disabled: !found.items.length }),
    );
  }

  function turn(by) {
    offset = Math.max(0, offset + by);
    search();
  }

  // ------------------------------------------------------------------ one item

  async function open(number, { focus = true } = {}) {
    try {
      const item = await api.get(`v1/explore/items/${number}`);
      if (ended) return;
      current = number;
      drawPanel(item);
      drawMap();
      if (focus) panel.focus({ preventScroll: innerWidth > 980 });
    } catch (error) {
      fail(error);
    }
  }

  function drawPanel(item = null) {
    if (!item) {
      fill(panel, h("h2", {}, "Item"), h("p", { class: "muted" }, "Click a point of the map, or an id in the table, to see it here: its features, its neighbours, and why it was chosen or not."));
      return;
    }
    fill(
      panel,
      ...samplePanel(item, {
        admin: session.role === "admin",
        isChosen: chosen.has(item.number),
        ask: () => ask([item.number]),
        label: () => navigate("label", { id: item.id }),
        choose: () => { chosen.has(item.number) ? chosen.delete(item.number) : chosen.add(item.number); drawChosen(); drawPanel(item); },
        open,
      }),
    );
  }

  const themes = new MutationObserver(drawMap);
  themes.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  await load();
  return () => {
    ended = true;
    themes.disconnect();
    view.stop();
  };
}

function quoted(text) {
  return text.includes('"') ? `'${text}'` : `"${text}"`;
}

function help() {
  const rows = [
    ["refund", "the text occurs in the id or in a feature"],
    ["amount > 100 and country = NL", "features; = != < <= > >= contains"],
    ["country in (NL, BE) or not vip = true", "one of several; or, not, brackets"],
    ["age is missing", "the sample has no such feature"],
    ['"card type" = "debit card"', "names and values with blanks in quotes"],
    ["@utility > 0.9 and @state = none", "@id @utility @threshold @reason @class @label @state @age (seconds)"],
  ];
  return h("table", {}, h("tbody", {}, rows.map(([text, means]) => h("tr", {}, h("th", { scope: "row" }, h("code", {}, text)), h("td", {}, means)))));
}
