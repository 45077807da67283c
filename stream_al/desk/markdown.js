// A small part of Markdown as elements: headings, paragraphs, lists, quotes, code, emphasis and links.
//
// Nothing becomes markup: each piece of text is set as text, and a link leads to the web or to mail only.

import { h, outside } from "./dom.js";

const MOST = 20_000;
const INLINE =
  /`([^`]{1,500})`|\*\*([^*]{1,500})\*\*|__([^_]{1,500})__|\*([^*\s][^*]{0,500})\*|\[([^\]]{1,300})\]\(([^)\s]{1,1000})\)/g;

function inline(text) {
  const found = [];
  let from = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index > from) found.push(text.slice(from, match.index));
    const [whole, code, strong, alsoStrong, em, name, address] = match;
    if (code) found.push(h("code", {}, code));
    else if (strong || alsoStrong) found.push(h("strong", {}, strong || alsoStrong));
    else if (em) found.push(h("em", {}, em));
    else found.push(outside(address, name));
    from = match.index + whole.length;
  }
  if (from < text.length) found.push(text.slice(from));
  return found;
}

/** The elements of a text. */
export function markdown(text) {
  const lines = text.slice(0, MOST).replaceAll("\r", "").split("\n");
  const found = [];
  let at = 0;
  const take = (fits, strip) => {
    const taken = [];
    while (at < lines.length && fits(lines[at])) taken.push(strip(lines[at++]));
    return taken;
  };
  while (at < lines.length) {
    const line = lines[at];
    const heading = /^(#{1,3})\s+(.*)$/.exec(line);
    if (!line.trim()) at += 1;
    else if (line.startsWith("```")) {
      at += 1;
      const code = take((one) => !one.startsWith("```"), (one) => one);
      at += 1;
      found.push(h("pre", {}, h("code", {}, code.join("\n"))));
    } else if (heading) {
      at += 1;
      found.push(h(`h${heading[1].length + 2}`, {}, ...inline(heading[2])));
    } else if (/^\s*[-*+]\s+/.test(line)) {
      const items = take((one) => /^\s*[-*+]\s+/.test(one), (one) => one.replace(/^\s*[-*+]\s+/, ""));
      found.push(h("ul", {}, items.map((one) => h("li", {}, ...inline(one)))));
    } else if (/^\s*\d{1,3}[.)]\s+/.test(line)) {
      const items = take((one) => /^\s*\d{1,3}[.)]\s+/.test(one), (one) => one.replace(/^\s*\d{1,3}[.)]\s+/, ""));
      found.push(h("ol", {}, items.map((one) => h("li", {}, ...inline(one)))));
    } else if (line.startsWith(">")) {
      const quoted = take((one) => one.startsWith(">"), (one) => one.replace(/^>\s?/, ""));
      found.push(h("blockquote", {}, ...inline(quoted.join(" "))));
    } else {
      const plain = (one) => one.trim() && !/^(#{1,3}\s|```|>|\s*[-*+]\s|\s*\d{1,3}[.)]\s)/.test(one);
      const paragraph = [lines[at++], ...take(plain, (one) => one)];
      found.push(h("p", {}, ...inline(paragraph.join(" "))));
    }
  }
  return found;
}
