// htmx: what pages ask the server by themselves. Progress, the bell, live counts and late parts are attributes of templates.
import htmx from "../vendor/htmx.js";

// Under our content policy nothing is evaluated; scripts come in files only, and no copy of a page is kept.
Object.assign(htmx.config, {
  allowEval: false,
  allowScriptTags: false,
  historyEnabled: false,
  includeIndicatorStyles: false,
});

/** @param {Event} event */
const detail = (event) => /** @type {CustomEvent} */ (event).detail;

// The bell asks only while somebody looks at the page.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && detail(event).elt.hasAttribute("data-while-seen")) event.preventDefault();
});

/** A part that could not be had says so. @param {HTMLElement} part */
function fail(part) {
  if (part.dataset.failed) part.textContent = part.dataset.failed;
}

// An answer from elsewhere is the log-in, which belongs into no part of a page.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, pathInfo, requestConfig } = detail(event);
  const asked = new URL(pathInfo.finalRequestPath, window.location.href);
  if (new URL(xhr.responseURL).pathname === asked.pathname) return;
  detail(event).shouldSwap = false;
  fail(requestConfig.elt);
});

document.addEventListener("htmx:afterRequest", (event) => {
  const { elt, failed } = detail(event);
  if (failed) fail(elt);
  if (elt.hasAttribute("aria-busy")) elt.setAttribute("aria-busy", "false");
});
