// Starting and confirming a batch: its name follows the template, its start the moment that is chosen.
import { all, maybe, one } from "./dom.js";

/** Choosing a moment means that the batch starts then. @param {HTMLElement} field */
function startTime(field) {
  /** @type {HTMLInputElement} */
  const later = one("input[value=at]", field);
  /** @type {HTMLInputElement} */
  const day = one("[data-date]", field);
  /** @type {HTMLInputElement} */
  const time = one("[data-time]", field);
  for (const control of [day, time]) {
    control.addEventListener("input", () => {
      later.checked = true;
    });
  }
  maybe("[data-take-day]", field)?.addEventListener("click", (event) => {
    const { takeDay, takeTime } = /** @type {HTMLElement} */ (event.currentTarget).dataset;
    day.value = takeDay ?? "";
    time.value = takeTime ?? "";
    later.checked = true;
    later.dispatchEvent(new Event("input", { bubbles: true }));
  });
}

/** The proposed name follows the template until somebody writes another one. @param {HTMLElement} page */
function proposeName(page) {
  const name = /** @type {HTMLInputElement | null} */ (maybe("#name", page));
  const template = /** @type {HTMLSelectElement | null} */ (maybe("#template", page));
  if (!name || !template) return;
  const names = JSON.parse(page.dataset.names ?? "{}");
  const proposed = () => names[template.value] ?? "";
  let last = proposed();
  template.addEventListener("change", () => {
    if (name.value === last) name.value = proposed();
    last = proposed();
  });
}

all(".start-choice").forEach(startTime);
all("[data-outreach-start]").forEach(proposeName);
