// One phone number in clear: asked for with a reason, shown for a while, then hidden again.
import { filled, one } from "./dom.js";

/** @type {HTMLDialogElement} */
const dialog = one("#reveal");
/** @type {HTMLFormElement} */
const form = one("form", dialog);
/** @type {HTMLTextAreaElement} */
const reason = one("[name=reason]", form);
const fault = one(".error", form);
/** @type {HTMLButtonElement} */
const submit = one("[type=submit]", form);
const button = one("[data-reveal]");
const shown = one("[data-phone]");
const note = one("[data-phone-note]");
let timer = 0;

/** @param {string} text */
function refuse(text) {
  fault.textContent = text;
  fault.hidden = !text;
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
  const tell = () => {
    note.textContent = filled(note.dataset.text ?? "", { n: left });
  };
  shown.textContent = phone;
  button.hidden = true;
  note.hidden = false;
  tell();
  timer = window.setInterval(() => {
    left -= 1;
    if (left <= 0) hide();
    else tell();
  }, 1000);
}

async function ask() {
  submit.disabled = true;
  try {
    const headers = { Accept: "application/json" };
    const answer = await fetch(form.action, { method: "POST", body: new FormData(form), headers, cache: "no-store" });
    const said = await answer.json();
    if (!answer.ok) {
      refuse(said.message || form.dataset.failed);
      return;
    }
    dialog.close();
    show(said.phone, said.seconds);
  } catch {
    refuse(form.dataset.failed ?? "");
  } finally {
    submit.disabled = false;
  }
}

button.addEventListener("click", () => {
  refuse("");
  reason.value = "";
  dialog.showModal();
});
one("[data-close]", form).addEventListener("click", () => dialog.close());
form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
window.addEventListener("pagehide", hide);
