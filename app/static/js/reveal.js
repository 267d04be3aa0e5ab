// One phone number in clear: requested with a reason, shown for some seconds, then hidden again.
import { filled, one } from "./dom.js";

/** @type {HTMLDialogElement} */
const dialog = one("#reveal");
/** @type {HTMLFormElement} */
const form = one("form", dialog);
/** @type {HTMLTextAreaElement} */
const reason = one("[name=reason]", form);
const error = one(".error", form);
/** @type {HTMLButtonElement} */
const submit = one("[type=submit]", form);
const button = one("[data-reveal]");
const shown = one("[data-phone]");
const note = one("[data-phone-note]");
let timer = 0;

/** @param {string} text */
function showError(text) {
  error.textContent = text;
  error.hidden = !text;
}

function hide() {
  window.clearInterval(timer);
  shown.textContent = shown.dataset.phone ?? "";
  note.hidden = true;
  button.hidden = false;
}

/** @param {string} phone @param {number} seconds */
function show(phone, seconds) {
  let left = seconds;
  const showTime = () => {
    note.textContent = filled(note.dataset.text ?? "", { n: left });
  };
  shown.textContent = phone;
  button.hidden = true;
  note.hidden = false;
  showTime();
  timer = window.setInterval(() => {
    left -= 1;
    if (left <= 0) hide();
    else showTime();
  }, 1000);
}

async function ask() {
  submit.disabled = true;
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
    submit.disabled = false;
  }
}

button.addEventListener("click", () => {
  showError("");
  reason.value = "";
  dialog.showModal();
});
one("[data-close]", form).addEventListener("click", () => dialog.close());
form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
window.addEventListener("pagehide", hide);
