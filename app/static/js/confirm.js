// A submit button with data-confirm asks first. Other listeners get the submit only after a "yes".
import { all, filled, one } from "./dom.js";

/** @type {HTMLElement | null} */
let agreed = null;

/** @param {HTMLButtonElement} button @param {string} text */
function ask(button, text) {
  /** @type {HTMLDialogElement} */
  const dialog = one("#confirm");
  const yes = one("#confirm-yes");
  const no = one("#confirm-no");
  one("#confirm-text").textContent = text;
  yes.textContent = button.dataset.yes || (button.textContent ?? "").trim();
  no.textContent = button.dataset.no || no.dataset.text || "";
  yes.classList.toggle("danger", button.classList.contains("danger"));
  dialog.returnValue = "no";
  dialog.addEventListener(
    "close",
    () => {
      if (dialog.returnValue !== "yes") return;
      agreed = button;
      button.form?.requestSubmit(button);
    },
    { once: true },
  );
  dialog.showModal();
}

/** @param {HTMLButtonElement} button */
function question({ dataset, form }) {
  if (!dataset.counted) return dataset.confirm ?? "";
  /** @type {HTMLInputElement[]} */
  const ticked = all("input[name=rowid]:checked");
  const n = ticked.filter((box) => box.form === form).length;
  return `${dataset.confirm}\n${filled(dataset.counted, { n })}`;
}

document.addEventListener(
  "submit",
  (event) => {
    const button = /** @type {HTMLButtonElement | null} */ (event.submitter);
    if (!button?.dataset.confirm) return;
    if (agreed === button) {
      agreed = null;
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
    ask(button, question(button));
  },
  { capture: true },
);
