// What was known when: one frame for each prior, fetched from the server a few at a time and kept while the period
// stays. The server decides which belief counts; nothing is worked out here.

const KEPT = 800; // frames
const SLOTS_AT_ONCE = 400000; // event slots the server lays over one another in one request

export class Frames {
  /** @param url builds the address of series.json for a list of priors */
  constructor(url, slots) {
    this.url = url;
    this.kept = new Map();
    this.atOnce = Math.max(1, Math.min(48, Math.floor(SLOTS_AT_ONCE / Math.max(1, slots))));
    this.underway = new Set();
    this.urgent = null;
    this.ahead = null;
  }

  get(prior) {
    return this.kept.get(prior);
  }

  /** Stop asking: the period, or what is asked about it, is another. */
  close() {
    this.urgent?.abort();
    this.ahead?.abort();
  }

  /** What is to be seen now; an earlier such request that is still on its way is given up. */
  async fetchNow(priors) {
    const missing = priors.filter((prior) => !this.kept.has(prior));
    this.urgent?.abort();
    this.urgent = null;
    if (missing.length) {
      this.urgent = new AbortController();
      await this.#fetch(missing, this.urgent.signal);
    }
  }

  /** What will soon be needed, one request at a time. */
  async fetchAhead(priors) {
    const missing = [...new Set(priors)].filter((prior) => !this.kept.has(prior)).slice(0, this.atOnce);
    if (!missing.length || this.ahead) return;
    this.ahead = new AbortController();
    try {
      await this.#fetch(missing, this.ahead.signal);
    } finally {
      this.ahead = null;
    }
  }

  async #fetch(priors, signal) {
    for (let first = 0; first < priors.length; first += this.atOnce) {
      const answer = await fetchJson(this.url(priors.slice(first, first + this.atOnce)), signal);
      for (const frame of answer.frames) {
        this.kept.set(frame.prior, bySeries(frame));
        if (this.kept.size > KEPT) this.kept.delete(this.kept.keys().next().value);
      }
    }
  }
}

export const keyOf = ({ kind, source }) => `${kind} ${source.id}`;
export const bySeries = (frame) => new Map(frame.series.map((series) => [keyOf(series), series.values]));

/** The answer, or an error that says what was wrong. */
export async function fetchJson(url, signal) {
  const answer = await fetch(url, { signal, headers: { Accept: "application/json" } });
  if (answer.status === 401) {
    location.assign(`/login?next=${encodeURIComponent(location.pathname)}`);
    throw new DOMException("logged out", "AbortError");
  }
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.message ?? `The server answered ${answer.status}.`);
  return body;
}
