// The overview searches while one types, and keeps itself up to date. Without this script its form does.
"use strict";

const form = document.getElementById("search");
const list = document.getElementById("sensors");

if (form && list) {
  const field = form.elements.q;
  const WAIT = 120; // ms after the last key
  const RENEWAL = 60_000; // ms
  let running = null;
  let timer = 0;

  async function load(address) {
    if (running) running.abort();
    running = new AbortController();
    const own = running;
    list.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(address, { headers: { Accept: "text/html" }, signal: own.signal });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("sensors");
      if (!answer.ok || !fresh) {
        window.location.assign(address); // logged out, or an error: let the page itself say so
        return;
      }
      list.replaceChildren(...fresh.childNodes);
    } catch (error) {
      if (error.name !== "AbortError" && own === running) list.dataset.stale = "true"; // offline: what is shown stays
    } finally {
      if (own === running) list.removeAttribute("aria-busy");
    }
  }

  function search() {
    const asked = new URLSearchParams(new FormData(form));
    for (const [name, value] of [...asked]) if (!value.trim()) asked.delete(name);
    const address = asked.size ? `/?${asked}` : "/";
    history.replaceState(null, "", address);
    return load(address);
  }

  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, WAIT);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    search();
  });
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      field.focus();
    }
  });
  setInterval(() => {
    const used = list.contains(document.activeElement) || list.getAttribute("aria-busy");
    if (document.visibilityState === "visible" && !used) load(window.location.href);
  }, RENEWAL);
}
