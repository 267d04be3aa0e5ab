// Date fields: typed in usual ways and kept as 2026-11-30, or chosen in a calendar in the page's language.
import { isoOf } from "./date_text.js";
import { all, filled, make, maybe, one, target } from "./dom.js";

/** @typedef {HTMLElement & {value: string, updated: Promise<void>}} Calendar */

/** @type {HTMLTemplateElement | null} */
const template = maybe("#calendar");
/** @type {HTMLElement | null} */
let sheet = null;

const today = () => one("[today]", template?.content).getAttribute("today") ?? "";

/** The date field of an event. @param {Event} event @returns {HTMLInputElement | null} */
const fieldOf = (event) => /** @type {HTMLInputElement | null} */ (target(event).closest?.("[data-date]") ?? null);

/** Why the text of a field is no date for it, empty if it is. @param {HTMLInputElement} field */
function fault(field) {
  if (!field.value.trim()) return "";
  const iso = isoOf(field.value, today());
  const { wrong = "", outside = "" } = template?.dataset ?? {};
  if (!iso) return wrong;
  const { min, max } = field;
  return (min && iso < min) || (max && iso > max) ? filled(outside, { min, max }) : "";
}

/** Tell what is wrong with a field below it, or that nothing is. @param {HTMLInputElement} field */
function tell(field) {
  const text = fault(field);
  const box = /** @type {HTMLElement} */ (field.closest(".date"));
  maybe(".date-fault", box)?.remove();
  field.setCustomValidity(text);
  if (!text) field.removeAttribute("aria-invalid");
  else {
    field.setAttribute("aria-invalid", "true");
    box.append(make("span", { className: "error date-fault", role: "alert", textContent: text }));
  }
  return text;
}

/** Put a date into a field, as if it had been typed. @param {HTMLInputElement} field @param {string} iso */
function put(field, iso) {
  field.value = iso;
  for (const type of ["input", "change"]) field.dispatchEvent(new Event(type, { bubbles: true }));
}

/** What is not finished changes nothing yet. @param {Event} event */
function typed(event) {
  const field = fieldOf(event);
  if (field && fault(field)) event.stopImmediatePropagation();
}

/** Bring what was typed into the one form before anybody reads it. @param {Event} event */
function finished(event) {
  const field = fieldOf(event);
  if (!field) return;
  if (tell(field)) {
    event.stopImmediatePropagation();
    return;
  }
  const iso = isoOf(field.value, today()) ?? "";
  if (field.value === iso) return;
  event.stopImmediatePropagation();
  put(field, iso);
}

function close() {
  sheet?.remove();
}

/** @param {HTMLInputElement} field */
async function open(field) {
  await import("../vendor/cally.js");
  close();
  sheet = /** @type {HTMLElement} */ (template?.content.firstElementChild?.cloneNode(true));
  /** @type {Calendar} */
  const calendar = one("calendar-date", sheet);
  const iso = isoOf(field.value, today()) ?? "";
  const known = { value: iso, "focused-date": iso, min: field.min, max: field.max };
  for (const [name, day] of Object.entries(known)) if (day) calendar.setAttribute(name, day);
  const choose = (/** @type {string} */ day) => {
    close();
    put(field, day);
    field.focus();
  };
  calendar.addEventListener("change", () => choose(calendar.value));
  for (const button of all("[data-day]", sheet)) {
    button.addEventListener("click", () => choose(button.dataset.day ?? ""));
  }
  field.closest(".date")?.append(sheet);
  await calendar.updated;
  enter(field, calendar, iso ? "[aria-pressed=true]" : "button", 60);
}

/**
 * Place and focus the calendar once its days are there: they are drawn some frames later, and anew for the month of the date.
 * @param {HTMLInputElement} field
 * @param {Calendar} calendar
 * @param {string} day selects a day that only the right month has
 * @param {number} frames
 */
function enter(field, calendar, day, frames) {
  if (!one("calendar-month", calendar).shadowRoot?.querySelector(day) && frames) {
    requestAnimationFrame(() => enter(field, calendar, day, frames - 1));
    return;
  }
  place(/** @type {HTMLElement} */ (calendar.parentElement), field);
  calendar.focus();
}

/** Keep the sheet within the window. @param {HTMLElement} box @param {HTMLInputElement} field */
function place(box, field) {
  const { left, top, bottom } = field.getBoundingClientRect();
  const { offsetWidth, offsetHeight } = box;
  box.style.left = `${Math.min(0, document.documentElement.clientWidth - 8 - left - offsetWidth)}px`;
  const above = bottom + offsetHeight > window.innerHeight && top > offsetHeight + 64;
  box.classList.toggle("date-sheet-above", above);
  box.scrollIntoView({ block: "nearest" });
}

/** @param {MouseEvent} event */
function clicked(event) {
  const button = /** @type {HTMLElement | null} */ (target(event).closest(".date-open"));
  if (button) {
    const box = /** @type {HTMLElement} */ (button.parentElement);
    if (sheet && box.contains(sheet)) close();
    else open(one("[data-date]", box));
  } else if (sheet && !sheet.contains(target(event))) close();
}

/** @param {KeyboardEvent} event */
function pressed(event) {
  const field = fieldOf(event);
  if (event.key === "ArrowDown" && field) {
    event.preventDefault();
    open(field);
  }
  if (event.key !== "Escape" || !sheet?.isConnected) return;
  // Not a dialog or drawer around the field.
  event.preventDefault();
  event.stopPropagation();
  const opener = /** @type {HTMLElement} */ (sheet.parentElement);
  close();
  one("[data-date]", opener).focus();
}

if (template) {
  document.addEventListener("input", typed, true);
  document.addEventListener("change", finished, true);
  document.addEventListener("keydown", pressed, true);
  document.addEventListener("click", clicked);
}
