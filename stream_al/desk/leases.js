// Leases: the queries that this tab holds, the most useful first, with the next ones loaded before.
//
// A lease is renewed while the page is shown to somebody, and given back when the page is left. Nobody at the
// keys for a while means nobody at work: then leases run out, and others get the queries.

import { preload } from "./payload.js";

const FEWEST = 3; // queries held, below which others are leased
const HELD = 6; // queries held, the one that is shown included
const MOST = 50; // of one request
const IDLE_MS = 600_000;
const EMPTY_MS = [1000, 2000, 3000, 5000]; // between two requests while there is nothing to show
const FEW_MS = 5000; // and while there is little
const KEPT = 500; // queries that are done, so that none is shown again before the service has read its label

/** One query is the same in two replies if its id and version are. */
const nameOf = (query) => `${query.id}\n${query.version || ""}`;

export class Leases {
  /**
   * @param {object} context The context of the page.
   * @param {function(): void} onChange Called when the first query is another one.
   */
  constructor(context, onChange) {
    this.items = [];
    this.pending = null;
    this.free = null;
    this._context = context;
    this._onChange = onChange;
    this._done = new Set();
    this._unread = 1;
    this._filling = null;
    this._empty = 0;
    this._ended = false;
    this._active = performance.now();
    this._timers = [];
    const seconds = context.session.lease_seconds || 300;
    this._lifeMs = seconds * 1000;
    this._timers.push(setInterval(() => this.renew(), Math.max(500, this._lifeMs / 3)));
  }

  /** The query to show; null if there is none. */
  get current() {
    return this.items[0] || null;
  }

  /** Whether a request for queries is on its way. */
  get asking() {
    return this._filling !== null;
  }

  /** Somebody is at the keys. */
  touch() {
    this._active = performance.now();
  }

  /** The first query is labelled or skipped: go on to the next one. */
  done() {
    const item = this.items.shift();
    this._done.add(nameOf(item.query));
    if (this._done.size > KEPT) this._done.delete(this._done.values().next().value);
    const filled = this.fill();
    this._onChange();
    if (!this.current) filled.then(() => this._onChange());
    return item;
  }

  /** What was done is not: show it again. */
  undo(item) {
    this._done.delete(nameOf(item.query));
    this.items.unshift(item);
    this._onChange();
  }

  /** Hold enough queries. One request at a time. */
  fill() {
    this._filling ??= this._fill().finally(() => {
      this._filling = null;
    });
    return this._filling;
  }

  async _fill() {
    const { api, session, fail } = this._context;
    clearTimeout(this._again);
    if (this._ended || this.items.length >= FEWEST) return;
    // The service has not read some labels yet, and still counts their queries among those held.
    const body = { count: Math.min(MOST, HELD + this._unread), holder: session.holder };
    if (session.annotator) body.annotator = session.annotator;
    let wait = null;
    try {
      const found = await api.post("v1/leases", body);
      if (this._ended) {
        found.leases.forEach((one) => this._release(one));
        return;
      }
      this._take(found);
      if (this._failed) fail(null);
      this._failed = false;
      this._empty = this.items.length ? 0 : this._empty + 1;
      if (!this.items.length) wait = EMPTY_MS[Math.min(this._empty, EMPTY_MS.length - 1)];
      else if (this.items.length < FEWEST) wait = FEW_MS;
    } catch (error) {
      if (error.status !== 401) fail(error);
      this._failed = true;
      wait = Math.max(2000, (error.retryAfter || 0) * 1000);
    }
    if (wait !== null && !this._ended) this._again = setTimeout(() => this.fill(), wait);
  }

  _take(found) {
    const before = this.current;
    const known = new Set(this.items.map((item) => nameOf(item.query)));
    this.pending = found.pending;
    this.free = found.free;
    this._unread = 1 + found.leases.filter((one) => this._done.has(nameOf(one.query))).length;
    for (const one of found.leases) {
      const name = nameOf(one.query);
      if (known.has(name) || this._done.has(name)) continue;
      const item = { ...one, gotAt: performance.now(), explanation: null };
      this.items.push(item);
      preload(item.query.payload, this._context.session.media_hosts);
      this._explain(item);
    }
    if (this.current !== before || !this.current) this._onChange();
  }

  async _explain(item) {
    try {
      item.explanation = await this._context.api.get(`v1/explanations?id=${encodeURIComponent(item.query.id)}`);
      item.onExplained?.();
    } catch {
      // a query is worth labelling without it
    }
  }

  /** Renew all leases, while somebody is there. */
  async renew() {
    if (this._ended || document.hidden || performance.now() - this._active > IDLE_MS) return;
    const before = this.current;
    await Promise.all(
      [...this.items].map(async (item) => {
        try {
          await this._context.api.put(`v1/leases/${encodeURIComponent(item.lease)}`);
          item.gotAt = performance.now();
        } catch (error) {
          if (error.status === 409 || error.status === 404) this.items = this.items.filter((one) => one !== item);
        }
      }),
    );
    if (before && this.current !== before) {
      this._context.announce("The query is no longer yours. Here is the next one.");
      this._onChange();
    }
    this.fill();
  }

  /** Somebody is back at this tab: leases may have run out meanwhile. */
  wake() {
    this.touch();
    if (this.items.some((item) => performance.now() - item.gotAt > this._lifeMs / 2)) this.renew();
    else this.fill();
  }

  /** Give all leases back. With `leaving`, the requests outlive the page. */
  end({ leaving = false, keep = [] } = {}) {
    this._ended = true;
    clearTimeout(this._again);
    this._timers.forEach(clearInterval);
    for (const item of this.items) if (!keep.includes(item)) this._release(item, leaving);
    this.items = [];
  }

  _release(item, keepalive = false) {
    this._context.api.delete(`v1/leases/${encodeURIComponent(item.lease)}`, { keepalive }).catch(() => {});
  }
}
