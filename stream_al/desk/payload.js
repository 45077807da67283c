// The payload of a query: what the annotator is shown besides the features.
//
// An image or a sound is loaded if it is data in the payload, or if its host is one of `desk.media_hosts`; the
// content policy of the page holds to the same. Any other address is a link. The rest is shown as JSON.

import { button, h, outside, safeLink } from "./dom.js";

const IMAGES = /\.(png|jpe?g|gif|webp|avif|svg|bmp)$/i;
const SOUNDS = /\.(mp3|wav|ogg|oga|opus|flac|m4a|aac)$/i;
const MOST_MEDIA = 12;
const MOST_DEPTH = 4;
const MOST_JSON = 50_000;
const AUTOPLAY = "stream_al.autoplay";

/** What kind of medium an address leads to: image, sound, link, or null if it is no address. */
function mediumOf(text) {
  if (/^data:image\/[a-z0-9.+-]+[;,]/i.test(text)) return "image";
  if (/^data:audio\/[a-z0-9.+-]+[;,]/i.test(text)) return "sound";
  if (!/^https?:\/\/\S+$/i.test(text) || !safeLink(text)) return null;
  const path = new URL(text).pathname;
  return IMAGES.test(path) ? "image" : SOUNDS.test(path) ? "sound" : "link";
}

/** Whether an address may be loaded; the hosts are as in a content policy. */
export function mayLoad(text, hosts) {
  if (/^data:/i.test(text)) return true;
  const url = new URL(text);
  if (url.origin === location.origin) return true;
  return hosts.some((host) => {
    const [, scheme, wild, name, port] = /^(https?:\/\/)?(\*\.)?([^:/]+)(?::(\d+))?$/.exec(host) || [];
    if (!name || (scheme && scheme !== `${url.protocol}//`) || (port || "") !== url.port) return false;
    if (!scheme && url.protocol === "http:" && location.protocol === "https:") return false;
    return wild ? url.hostname.endsWith(`.${name}`) : url.hostname === name;
  });
}

/** The addresses in a payload, each with the name of its place; and what is left of the payload without them. */
function divided(payload) {
  const media = [];
  const walk = (value, name, depth) => {
    if (typeof value === "string") {
      const kind = media.length < MOST_MEDIA ? mediumOf(value) : null;
      if (!kind) return value;
      media.push({ kind, address: value, name });
      return undefined;
    }
    if (value === null || typeof value !== "object" || depth >= MOST_DEPTH) return value;
    if (Array.isArray(value)) {
      const kept = value.map((one, place) => walk(one, `${name} ${place + 1}`.trim(), depth + 1)).filter((one) => one !== undefined);
      return kept.length || !value.length ? kept : undefined;
    }
    const kept = Object.entries(value)
      .map(([key, one]) => [key, walk(one, name ? `${name}.${key}` : key, depth + 1)])
      .filter(([, one]) => one !== undefined);
    return kept.length || !Object.keys(value).length ? Object.fromEntries(kept) : undefined;
  };
  return { rest: walk(payload, "", 0), media };
}

/** Load the media of a payload before they are shown. */
export function preload(payload, hosts) {
  if (payload === undefined || payload === null) return;
  for (const { kind, address } of divided(payload).media) {
    if (kind === "link" || /^data:/i.test(address) || !mayLoad(address, hosts)) continue;
    const made = kind === "image" ? new Image() : new Audio();
    if (kind === "sound") made.preload = "auto";
    made.src = address;
  }
}

/**
 * The payload as elements.
 *
 * @returns {{nodes: Node[], keys: Object<string, function(): void>, stop: function(): void}} The keys that its
 *   media have, and what ends them.
 */
export function payloadView(payload, hosts) {
  const nodes = [];
  const keys = {};
  const stops = [];
  if (payload === undefined || payload === null) return { nodes, keys, stop: () => {} };
  const { rest, media } = divided(payload);
  for (const { kind, address, name } of media) {
    const title = name || { image: "Image", sound: "Sound", link: "Link" }[kind];
    if (kind !== "link" && mayLoad(address, hosts)) {
      const made = kind === "image" ? image(address, title) : sound(address, title);
      nodes.push(made.node);
      for (const [key, run] of Object.entries(made.keys)) keys[key] ??= run;
      stops.push(made.stop);
    } else {
      nodes.push(h("section", { class: "part" }, h("h2", {}, title), outside(address)));
    }
  }
  if (typeof rest === "string") nodes.push(h("section", { class: "part" }, h("p", { class: "text" }, rest)));
  else if (rest !== undefined) {
    const text = JSON.stringify(rest, null, 2);
    const shown = text.length > MOST_JSON ? `${text.slice(0, MOST_JSON)}\n…` : text;
    const box = { class: "json", tabindex: 0, role: "region", "aria-label": "Payload as JSON" };
    nodes.push(h("section", { class: "part" }, h("h2", {}, "Payload"), h("pre", box, shown)));
  }
  return { nodes, keys, stop: () => stops.forEach((stop) => stop()) };
}

function image(address, title) {
  const picture = h("img", { src: address, alt: `${title} of this query`, decoding: "async" });
  const frame = h("div", { class: "picture", tabindex: 0, role: "region", "aria-label": title }, picture);
  let zoom = 1;
  const apply = () => {
    const natural = zoom !== 1;
    frame.classList.toggle("natural", natural);
    picture.style.width = natural ? `${Math.round(zoom * 100)}%` : "";
  };
  const set = (value) => {
    zoom = Math.min(8, Math.max(0.25, value));
    apply();
  };
  const slider = h("input", { type: "range", min: 40, max: 250, value: 100, "aria-label": `Brightness of ${title}` });
  const bright = (value) => {
    slider.value = value;
    picture.style.filter = Number(slider.value) === 100 ? "" : `brightness(${slider.value}%)`;
  };
  slider.addEventListener("input", () => bright(slider.value));
  const keys = {
    z: () => set(1),
    "+": () => set(zoom * 1.5),
    "=": () => set(zoom * 1.5),
    "-": () => set(zoom / 1.5),
    "[": () => bright(Number(slider.value) - 15),
    "]": () => bright(Number(slider.value) + 15),
  };
  const tools = h(
    "div",
    { class: "row media-tools" },
    button("Fit", keys.z, { shortcut: "z" }),
    button("−", keys["-"], { "aria-label": "Zoom out", "aria-keyshortcuts": "-" }),
    button("+", keys["+"], { "aria-label": "Zoom in", "aria-keyshortcuts": "+" }),
    h("label", {}, "Brightness", slider),
  );
  return { node: h("section", { class: "part" }, h("h2", {}, title), frame, tools), keys, stop: () => {} };
}

function sound(address, title) {
  const autoplay = localStorage.getItem(AUTOPLAY) !== "no";
  const player = h("audio", { src: address, controls: true, preload: "auto", "aria-label": title });
  const play = () => player.play().catch(() => {}); // a browser may want a key first
  const speed = h("output", { class: "number" }, "1×");
  const faster = (by) => {
    player.playbackRate = Math.min(4, Math.max(0.25, player.playbackRate + by));
    speed.textContent = `${player.playbackRate}×`;
  };
  const box = h("input", { type: "checkbox", checked: autoplay });
  box.addEventListener("change", () => localStorage.setItem(AUTOPLAY, box.checked ? "yes" : "no"));
  const keys = {
    p: () => (player.paused ? play() : player.pause()),
    ",": () => faster(-0.25),
    ".": () => faster(0.25),
  };
  if (autoplay) play();
  const tools = h(
    "div",
    { class: "row media-tools" },
    button("Play or pause", keys.p, { shortcut: "p" }),
    button("Slower", keys[","], { shortcut: "," }),
    button("Faster", keys["."], { shortcut: "." }),
    speed,
    h("label", {}, box, "Play at once"),
  );
  const node = h("section", { class: "part" }, h("h2", {}, title), player, tools);
  return { node, keys, stop: () => player.pause() };
}
