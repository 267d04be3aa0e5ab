// htmx: requests that pages make by themselves, by attributes in templates: progress, bell, live counts, late parts.
import htmx from "../vendor/htmx.js";

// Our content security policy forbids eval and inline scripts; pages must not be cached in the browser.
Object.assign(htmx.config, {
  allowEval: false,
  allowScriptTags: false,
  historyEnabled: false,
  includeIndicatorStyles: false,
});

/** @param {Event} event */
const detail = (event) => /** @type {CustomEvent} */ (event).detail;

// The bell polls only while the page is visible, and asks for reminders only when it is opened.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && detail(event).elt.hasAttribute("data-while-seen")) event.preventDefault();
  if (detail(event).elt.matches("[data-while-open]") && !detail(event).elt.closest("details").open)
    event.preventDefault();
});

/** Show that a part could not be loaded. @param {HTMLElement} part */
function fail(part) {
  if (part.dataset.failed) part.textContent = part.dataset.failed;
}

// A response from another path is the log-in page, which must not be put into a part of this page.
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
