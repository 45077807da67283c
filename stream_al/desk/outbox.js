// The labels on their way. The last one is held back for some seconds, or until the next one, so that it can be
// undone: a label that was learned stays. What is not sent yet is kept in the tab, so that a reload loses
// nothing; a label that is sent twice does no harm, since its id is the same.

const HOLD_MS = 6000;
const RETRY_MS = [500, 1000, 2000, 5000, 10_000];
const STORED = "stream_al.outbox";

export class Outbox {
  /**
   * @param {object} api The HTTP API.
   * @param {{onChange: function(): void, onSent: function(object, string, string): void,
   *   onRefused: function(object, Error): void}} events `onSent` gets the label, what is expected to become of
   *   it, and what this word means.
   */
  constructor(api, events) {
    this.held = null; // {label, item, at}
    this.waiting = read();
    this._api = api;
    this._events = events;
    this._failures = 0;
    this._sending = false;
    this._send();
  }

  /** Tell another page of what becomes of labels. */
  listen(events) {
    this._events = events;
  }

  /** Hold a label, and send the one before it. */
  put(label, item) {
    this.flush();
    this.held = { label, item, at: performance.now() };
    this._timer = setTimeout(() => this.flush(), HOLD_MS);
    this._keep();
    this._events.onChange();
  }

  /** Take the held label back; its item, or null if there is none. */
  undo() {
    if (!this.held) return null;
    clearTimeout(this._timer);
    const { item } = this.held;
    this.held = null;
    this._keep();
    this._events.onChange();
    return item;
  }

  /** Send the held label. */
  flush() {
    if (!this.held) return;
    clearTimeout(this._timer);
    this.waiting.push(this.held.label);
    this.held = null;
    this._keep();
    this._events.onChange();
    this._send();
  }

  /** The page is left: send everything in a request that outlives it. */
  leave() {
    this.flush();
    if (this.waiting.length) this._api.post("v1/labels", this.waiting, { keepalive: true }).catch(() => {});
  }

  async _send() {
    if (this._sending) return;
    this._sending = true;
    while (this.waiting.length) {
      const [label] = this.waiting;
      try {
        const found = await this._api.post("v1/labels", label);
        const expected = found.labels?.[0]?.expected || "";
        this.waiting.shift();
        this._failures = 0;
        this._keep();
        this._events.onSent(label, expected, found.notes?.[expected] || "");
      } catch (error) {
        if (error.status === 401 || error.status === 403 || error.passing) {
          const wait = RETRY_MS[Math.min(this._failures++, RETRY_MS.length - 1)];
          this._events.onChange();
          await new Promise((resolve) => setTimeout(resolve, Math.max(wait, (error.retryAfter || 0) * 1000)));
        } else {
          this.waiting.shift();
          this._keep();
          this._events.onRefused(label, error);
        }
      }
    }
    this._sending = false;
    this._events.onChange();
  }

  /** How often the request in hand has failed. */
  get failures() {
    return this._failures;
  }

  _keep() {
    const all = this.held ? [...this.waiting, this.held.label] : this.waiting;
    if (all.length) sessionStorage.setItem(STORED, JSON.stringify(all));
    else sessionStorage.removeItem(STORED);
  }
}

function read() {
  try {
    const found = JSON.parse(sessionStorage.getItem(STORED) || "[]");
    return Array.isArray(found) ? found : [];
  } catch {
    return [];
  }
}
