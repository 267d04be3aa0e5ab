// One phone number in clear: requested with a reason; on a contact panel it stays, elsewhere for some seconds.
import { all, filled, maybe, one } from "./dom.js";

/** @type {HTMLDialogElement} */
const dialog = one("#reveal");
/** @type {HTMLFormElement} */
const form = one("form", dialog);
/** @type {HTMLInputElement} */
const reason = one("[name=reason]", form);
/** @type {HTMLInputElement} */
const purpose = one("[name=purpose]", form);
const error = one(".error", form);
/** @type {HTMLButtonElement[]} */
const chips = all("[data-reason]:not([disabled])");
/** @type {HTMLButtonElement} */
const submit = one("[type=submit]", form);
const buttons = [submit, ...chips];
const why = one("[data-phone-why]");
const shown = one("[data-phone]");
const tools = one("[data-phone-tools]");
/** @type {HTMLAnchorElement | null} */
const dial = maybe("[data-dial]");
const note = one("[data-phone-note]");
const kept = Boolean(maybe("[data-keep]"));
let timer = 0;

/** @param {string} text */
function showError(text) {
  error.textContent = text;
  error.hidden = !text;
  if (text && !dialog.open) dialog.showModal();
}

/** Show or hide what belongs to the number in clear. @param {boolean} clear */
function swap(clear) {
  why.hidden = clear;
  tools.hidden = !clear;
  note.hidden = !clear || kept;
}

function hide() {
  window.clearInterval(timer);
  shown.textContent = shown.dataset.phone ?? "";
  dial?.removeAttribute("href");
  swap(false);
}

/** @param {string} phone @param {number} seconds */
function show(phone, seconds) {
  let left = seconds;
  const showTime = () => {
    note.textContent = filled(note.dataset.text ?? "", { n: left });
  };
  shown.textContent = phone;
  if (dial) dial.href = `tel:${phone}`;
  swap(true);
  if (kept) return;
  showTime();
  timer = window.setInterval(() => {
    left -= 1;
    if (left <= 0) hide();
    else showTime();
  }, 1000);
}

async function ask() {
  for (const each of buttons) each.disabled = true;
  try {
    const headers = { Accept: "application/json" };
    const answer = await fetch(form.action, { method: "POST", body: new FormData(form), headers, cache: "no-store" });
    const result = await answer.json();
    if (!answer.ok) {
      showError(result.message || form.dataset.failed);
      return;
    }
    dialog.close();
    show(result.phone, result.seconds);
  } catch {
    showError(form.dataset.failed ?? "");
  } finally {
    for (const each of buttons) each.disabled = false;
  }
}

/** Fill in a reason and what it is for. @param {string} text @param {string} code */
function fill(text, code) {
  showError("");
  reason.value = text;
  purpose.value = code;
}

one("[data-reveal]").addEventListener("click", () => {
  fill("", "");
  dialog.showModal();
});
for (const chip of chips) {
  chip.addEventListener("click", () => {
    fill(chip.dataset.reason ?? "", chip.dataset.purpose ?? "");
    ask();
  });
}
one("[data-close]", form).addEventListener("click", () => dialog.close());
form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
window.addEventListener("pagehide", hide);
