// The switch between light and dark pages: the page changes at once, htmx stores the choice.
import { all, one, target } from "./dom.js";

/** @param {Event} event */
function follow(event) {
  const { scheme, media } = target(event).dataset;
  /** @type {HTMLLinkElement} */
  const sheet = one("#dark");
  /** @type {HTMLMetaElement} */
  const meta = one("meta[name=color-scheme]");
  if (media) sheet.media = media;
  if (scheme) meta.content = scheme;
}

for (const form of all("[data-theme]")) form.addEventListener("change", follow);
