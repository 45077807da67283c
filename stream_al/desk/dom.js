// Elements made by code. Text is only ever set as text, so nothing that a record holds becomes markup.

/**
 * Make an element.
 *
 * @param {string} tag The name of the element.
 * @param {object} given Attributes. `class`, `text`, `on` (event to function) and `data` are special;
 *   true sets an attribute without a value; null, undefined and false leave it out.
 * @param {...(Node|string|null|undefined|false)} children Strings become text nodes.
 */
export function h(tag, given = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") made.textContent = String(value);
    else if (name === "on") for (const [event, run] of Object.entries(value)) made.addEventListener(event, run);
    else if (name === "data") Object.assign(made.dataset, value);
    else if (name === "href") {
      const safe = safeLink(value);
      if (safe) made.setAttribute("href", safe);
    } else if (name.startsWith("on") || name === "style" || name === "srcdoc") throw new Error(`no ${name} here`);
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** The address if it leads to the web, to mail or to a place of this page; null for anything else. */
export function safeLink(address) {
  const text = String(address);
  if (text.startsWith("#")) return text;
  try {
    const url = new URL(text);
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** A link to elsewhere, which learns nothing of this page. */
export function outside(address, text = address) {
  const attributes = { href: address, target: "_blank", rel: "noopener noreferrer", class: "outside" };
  return safeLink(address) ? h("a", attributes, text) : h("span", {}, text);
}

/** Put children in place of what an element holds. */
export function fill(element, ...children) {
  element.replaceChildren(
    ...children.flat().filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

/** A key as it is drawn in help and on buttons. It is for the eye; the accessible name tells it otherwise. */
export function key(text) {
  return h("kbd", { "aria-hidden": "true" }, text);
}

/** A button with a text and perhaps a key. */
export function button(text, run, { shortcut = null, kind = "", ...more } = {}) {
  const given = { type: "button", class: `button ${kind}`.trim(), on: { click: run }, ...more };
  if (shortcut) given["aria-keyshortcuts"] = shortcut;
  return h("button", given, text, shortcut ? key(shortcut) : null);
}

/**
 * Open a modal dialog; the promise ends with what it was closed with, null if it was given up.
 *
 * @param {string} title Its heading and accessible name.
 * @param {function(function(any): void): Node[]} build Makes the content; gets the function that closes it.
 */
export function dialog(title, build) {
  return new Promise((resolve) => {
    const before = document.activeElement;
    let result = null;
    const box = h("dialog", { class: "dialog", "aria-label": title });
    const close = (value = null) => {
      result = value;
      box.close();
    };
    box.append(
      h(
        "div",
        { class: "dialog-head" },
        h("h2", {}, title),
        button("Close", () => close(), { kind: "plain", shortcut: "Esc" }),
      ),
      ...build(close),
    );
    box.addEventListener("close", () => {
      box.remove();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
      resolve(result);
    });
    box.addEventListener("keydown", (event) => event.stopPropagation()); // a key may close it, and is no shortcut then
    box.addEventListener("click", (event) => event.target === box && close());
    document.body.append(box);
    box.showModal();
    box.querySelector("[autofocus]")?.focus();
  });
}

/** Whether a key is typed into something, so that it is no shortcut. */
export function isTyping(event) {
  const at = event.target;
  if (!(at instanceof HTMLElement)) return false;
  return at.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(at.tagName);
}
