// The shell of the desk: sign-in, pages by the hash of the address, theme, banner, what is said aloud.
//
// A page is a module with `mount(root, context)`, which returns `unmount()`. The context:
//
//   api          the HTTP API (`api.js`)
//   session      who sits here: {role, name, annotator, holder, ...what GET /v1/desk says}
//   status       what GET /v1/desk said last: {value, refresh(), subscribe(run) -> stop}
//   navigate     goes to a page: navigate("explore", {id: "txn-1"})
//   parameters   what comes after the page in the address, as URLSearchParams
//   announce     says a text to screen readers
//   fail         shows the sentence of an error above the page; fail(null) takes it away

import { Problem, createAPI, setToken, token } from "./api.js";
import { button, dialog, fill, h, isTyping } from "./dom.js";
import { annotator, holder, setAnnotator } from "./session.js";

const REFRESH_MS = 10_000;
const PAGES = {
  label: "Label",
  watch: "Watch",
  explore: "Explore",
  quality: "Quality",
};
const ROLES = { read: "may read", label: "may label", admin: "may do everything" };

const at = (id) => document.getElementById(id);
let signingIn = null;
let shown = { name: null, unmount: null };
let turn = 0; // of opening a page; a later one wins

const api = createAPI(() => {
  if (shown.name) signIn("The service no longer knows this token.").then(() => location.reload());
});
const session = {};
const status = observed();

function observed() {
  const listeners = new Set();
  return {
    value: null,
    async refresh() {
      const who = session.annotator ? `?annotator=${encodeURIComponent(session.annotator)}` : "";
      this.value = await api.get(`v1/desk${who}`);
      Object.assign(session, this.value);
      for (const run of listeners) run(this.value);
      return this.value;
    },
    subscribe(run) {
      listeners.add(run);
      if (this.value) run(this.value);
      return () => listeners.delete(run);
    },
  };
}

function announce(text) {
  const live = at("live");
  live.textContent = "";
  requestAnimationFrame(() => {
    live.textContent = text;
  });
}

function fail(error) {
  const banner = at("banner");
  banner.hidden = error === null;
  if (error === null) return fill(banner);
  const text = error instanceof Problem ? error.detail : String(error?.message || error);
  return fill(banner, h("p", {}, text), button("Dismiss", () => fail(null), { kind: "plain" }));
}

/** Ask for a token until the service takes it. */
function signIn(why = "") {
  signingIn ??= (async () => {
    let said = why;
    for (;;) {
      const given = await dialog("Sign in", (close) => {
        const field = h("input", {
          id: "token", type: "password", autocomplete: "off", required: true, autofocus: true, maxlength: 4096,
        });
        const submit = (event) => {
          event.preventDefault();
          if (field.value.trim()) close(field.value.trim());
        };
        return [
          h(
            "form",
            { class: "form", on: { submit } },
            h("p", {}, "This service asks for a token. It is kept in this tab only, until the tab is closed."),
            h("label", { for: "token" }, "Token"),
            field,
            said ? h("p", { class: "bad", role: "alert" }, said) : null,
            h("button", { type: "submit", class: "button primary" }, "Sign in"),
          ),
        ];
      });
      if (given === null) continue; // there is nothing to see without it
      setToken(given);
      try {
        await status.refresh();
        signingIn = null;
        return;
      } catch (error) {
        setToken(null);
        said = error.detail || String(error);
      }
    }
  })();
  return signingIn;
}

function signOut() {
  setToken(null);
  location.reload();
}

async function askName() {
  const given = await dialog("Who labels here?", (close) => {
    const field = h("input", {
      id: "annotator", value: session.annotator || "", maxlength: 200, autofocus: true, autocomplete: "off",
    });
    const submit = (event) => {
      event.preventDefault();
      close(field.value);
    };
    return [
      h(
        "form",
        { class: "form", on: { submit } },
        h("p", {}, "Your labels carry this name, so that labels of several people can be compared."),
        h("label", { for: "annotator" }, "Name"),
        field,
        h("button", { type: "submit", class: "button primary" }, "Keep"),
      ),
    ];
  });
  if (given === null) return;
  setAnnotator(given);
  location.reload(); // leases are held for a name
}

function drawTop() {
  document.title = `${session.application} · desk`;
  at("application").textContent = session.application;
  fill(
    at("pages"),
    Object.entries(PAGES).map(([name, text]) =>
      h("a", { href: `#${name}`, "aria-current": name === shown.name ? "page" : null }, text),
    ),
  );
  const who = session.annotator || "Your name";
  fill(
    at("tools"),
    button(who, askName, { kind: "plain who", "aria-label": session.annotator ? `${who}: labels carry this name. Change it` : "Your name: set what labels carry", title: "Change the name" }),
    h("span", { class: `role role-${session.role}`, title: `This session ${ROLES[session.role] || ""}` }, session.role),
    button("◐", () => document.dispatchEvent(new Event("desk:switch-theme")), {
      kind: "plain round", "aria-label": "Switch between light and dark", title: "Light or dark",
    }),
    button("?", () => document.dispatchEvent(new Event("desk:help")), {
      kind: "plain round", "aria-label": "Keyboard help", title: "Keyboard help (?)",
    }),
    token() ? button("Sign out", signOut, { kind: "plain" }) : null,
  );
}

async function open() {
  const mine = ++turn;
  const [asked, query = ""] = location.hash.slice(1).split("?");
  if (asked === "page") return; // the link that skips the navigation
  const name = Object.hasOwn(PAGES, asked) ? asked : "label";
  const root = h("div", { class: `page page-${name}` });
  const before = shown.name;
  shown.unmount?.();
  shown = { name, unmount: null };
  drawTop();
  fail(null);
  fill(at("page"), root);
  if (!session.pages.includes(name)) {
    fill(root, h("div", { class: "card empty" }, h("h1", {}, PAGES[name]), h("p", {}, "This version does not have this page.")));
    return;
  }
  const context = { api, session, status, navigate, announce, fail, parameters: new URLSearchParams(query) };
  try {
    const module = await import(`./${name}.js`);
    if (mine !== turn) return;
    const unmount = await module.mount(root, context);
    if (mine !== turn) { // it was left while it loaded: another page is shown
      unmount?.();
      return;
    }
    shown.unmount = unmount;
  } catch (error) {
    if (mine !== turn) return;
    fail(error);
    throw error;
  }
  if (before) {
    at("page").focus({ preventScroll: true });
    announce(`${PAGES[name]} page`);
  }
}

function navigate(name, parameters = {}) {
  const query = new URLSearchParams(parameters).toString();
  location.hash = query ? `${name}?${query}` : name;
}

async function refreshing() {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, REFRESH_MS));
    if (document.hidden || signingIn) continue;
    await status.refresh().catch(() => {}); // the page itself says what fails
  }
}

async function start() {
  for (;;) {
    try {
      await status.refresh();
      break;
    } catch (error) {
      if (error.status === 401) await signIn(token() ? error.detail : "");
      else {
        fail(error);
        await new Promise((resolve) => setTimeout(resolve, 2000));
      }
    }
  }
  fail(null);
  session.holder = await holder();
  session.annotator = annotator(session.name);
  if (session.annotator && session.annotator !== session.name) await status.refresh().catch(() => {});
  addEventListener("hashchange", open);
  addEventListener("keydown", (event) => {
    if (event.key === "?" && !isTyping(event) && !document.querySelector("dialog[open]")) {
      document.dispatchEvent(new Event("desk:help"));
    }
  });
  await open();
  await refreshing();
}

start();
