// The HTTP API of the service, with the token of this session.
//
// The token is a bearer token in `sessionStorage`: a browser adds it to no request by itself, so a page of
// another site can do nothing with it, and it is gone when the tab is closed. Every error is a `Problem`, with
// the one sentence that the service says (RFC 9457).

const TOKEN = "stream_al.token";
const DEADLINE_MS = 20_000;
const BASE = new URL("..", import.meta.url); // works behind a proxy with a prefix too

/** What a request came to, if it is not what was asked for. `status` is 0 if there was no response. */
export class Problem extends Error {
  constructor(status, title, detail, retryAfter = null) {
    super(detail || title);
    this.name = "Problem";
    this.status = status;
    this.title = title;
    this.detail = detail || title;
    this.retryAfter = retryAfter;
  }

  /** Whether the same request may succeed later. */
  get passing() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

export function token() {
  return sessionStorage.getItem(TOKEN);
}

export function setToken(value) {
  if (value) sessionStorage.setItem(TOKEN, value);
  else sessionStorage.removeItem(TOKEN);
}

/**
 * The API.
 *
 * @param {function(): void} onUnauthorised Called when the service asks for a token.
 */
export function createAPI(onUnauthorised = () => {}) {
  async function request(method, path, { body, keepalive = false, signal } = {}) {
    const headers = { Accept: "application/json" };
    const bearer = token();
    if (bearer) headers.Authorization = `Bearer ${bearer}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const limit = AbortSignal.timeout(DEADLINE_MS);
    let response;
    try {
      response = await fetch(new URL(path.replace(/^\//, ""), BASE), {
        method,
        headers,
        keepalive,
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
        credentials: "omit",
        cache: "no-store",
        redirect: "error",
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      const late = error.name === "TimeoutError";
      throw new Problem(0, "No response", late ? "The service did not respond in time." : "The service cannot be reached.");
    }
    if (response.ok) return response;
    const found = await response.json().catch(() => ({}));
    const wait = Number(response.headers.get("Retry-After")) || null;
    if (response.status === 401) onUnauthorised();
    throw new Problem(response.status, found.title || response.statusText, found.detail, wait);
  }

  async function json(method, path, options) {
    const response = await request(method, path, options);
    return response.status === 204 ? null : response.json();
  }

  return {
    /** The response itself, such as for binary bodies. */
    request,
    get: (path, options) => json("GET", path, options),
    post: (path, body, options) => json("POST", path, { ...options, body }),
    put: (path, body, options) => json("PUT", path, { ...options, body }),
    patch: (path, body, options) => json("PATCH", path, { ...options, body }),
    delete: (path, options) => json("DELETE", path, options),
  };
}
