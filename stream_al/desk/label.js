// Label: the page on which people give labels. (In the making.)
import { fill, h } from "./dom.js";

export function mount(root) {
  fill(root, h("div", { class: "card empty" }, h("h1", {}, "Label")));
  return () => {};
}
