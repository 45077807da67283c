// Classes keep their types: 1, "1" and true are three things that a person may not tell apart.

/** A class as a text; with its quotes where another class would read alike. */
export function classText(label, classes = []) {
  const text = typeof label === "string" ? label : JSON.stringify(label);
  const alike = classes.some((other) => other !== label && String(other) === text);
  return alike && typeof label === "string" ? JSON.stringify(label) : text;
}

/** What type a class has, in a word; null where no other class looks like it. */
export function typeNote(label, classes) {
  const likeness = (value) => String(value).trim().toLowerCase();
  const alike = classes.some((other) => other !== label && likeness(other) === likeness(label));
  if (!alike) return null;
  return { string: "text", number: "number", boolean: "true or false" }[typeof label];
}

/** The types that a text which was typed may mean; the first one is the likeliest. */
export function readings(text) {
  const typed = text.trim();
  const found = [{ type: "text", value: typed }];
  if (/^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i.test(typed) && Number.isFinite(Number(typed))) {
    found.push({ type: "number", value: Number(typed) });
  }
  if (/^(true|false)$/i.test(typed)) found.push({ type: "true or false", value: typed.toLowerCase() === "true" });
  return found;
}
