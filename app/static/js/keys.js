// Single keys: [data-key] elements, rows of lists, the first filter, and the overlay that explains them.
import { all, make, maybe, one, target } from "./dom.js";

const TYPED_INTO = "textarea, select, [contenteditable], [role=grid], input:not([type=checkbox]):not([type=radio])";
const CONTROL = "input, select, textarea";
const OFF = "keys-off";

/** Use what a key stands for: open and enter a folded part, enter a control, or press. @param {HTMLElement} element */
function use(element) {
  if (element instanceof HTMLDetailsElement) {
    element.open = true;
    maybe("textarea, select, input:not([type=hidden])", element)?.focus();
  } else if (element.matches(CONTROL)) element.focus();
  else element.click();
}

/** Open the fold that a button names, and enter it; what is saved there is what the button stands for. @param {HTMLElement} button */
function enters(button) {
  button.addEventListener("click", () => {
    const fold = one(button.dataset.enter ?? "");
    /** @type {HTMLButtonElement} */ (one("[type=submit]", fold)).value = button.getAttribute("value") ?? "";
    use(fold);
    fold.scrollIntoView({ block: "nearest" });
  });
}

/** The visible element of a key. @param {string} key */
const keyed = (key) => all(`[data-key="${CSS.escape(key)}"]`).find((each) => each.checkVisibility());

/** The rows of the page's list. */
const rows = () => all("[data-list] tbody tr").filter((row) => maybe("a", row));

/** Go down or up the list by one row. @param {number} step */
function move(step) {
  const list = rows();
  if (!list.length) return false;
  const now = list.findIndex((row) => row.contains(document.activeElement));
  const next = list[now < 0 ? 0 : Math.min(Math.max(now + step, 0), list.length - 1)];
  one("a", next).focus();
  next.scrollIntoView({ block: "nearest" });
  return true;
}

/** Enter the search of the page, or its first filter. */
function search() {
  const control =
    keyed("/") ??
    all(".filters input[type=search], .filters select, .filters input").find((each) => each.checkVisibility());
  control?.focus();
  return Boolean(control);
}

/** Claim the customer of the row that has the focus. */
function claimRow() {
  const row = document.activeElement?.closest("[data-list] tr");
  const button = row && maybe('button[formaction*="/action/claim/"]', /** @type {HTMLElement} */ (row));
  button?.click();
  return Boolean(button);
}

/** Do what a key stands for on this page. Return whether it stands for anything. @param {string} key */
export function press(key) {
  const own = { "/": search, c: claimRow }[key];
  if (own?.()) return true;
  const element = keyed(key);
  if (element) {
    use(element);
    return true;
  }
  if (key === "u") return nothingToUndo();
  return key === "j" || key === "k" ? move(key === "j" ? 1 : -1) : false;
}

/** Say in a message that there is nothing to undo. */
function nothingToUndo() {
  const text = one("#keys").dataset.nothing ?? "";
  const message = make("div", { className: "toast toast-info", role: "status" });
  message.append(make("span", { textContent: text }));
  one(".toasts").append(message);
  window.setTimeout(() => message.remove(), 6000);
  return true;
}

/** Show the overlay; its box switches single keys off for this browser. */
function help() {
  /** @type {HTMLDialogElement} */
  const dialog = one("#keys");
  dialog.showModal();
}

function setUp() {
  const dialog = maybe("#keys");
  if (!dialog) return;
  /** @type {HTMLInputElement} */
  const box = one("[data-keys-off]", dialog);
  box.checked = localStorage.getItem(OFF) === "1";
  box.addEventListener("change", () => localStorage.setItem(OFF, box.checked ? "1" : "0"));
  for (const button of all("[data-show-keys]")) button.addEventListener("click", help);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
    if (target(event).closest?.(TYPED_INTO) || maybe("dialog[open]")) return;
    if (localStorage.getItem(OFF) === "1") return;
    if (event.key === "?") help();
    else if (!press(event.key.toLowerCase())) return;
    event.preventDefault();
  });
}

all("[data-enter]").forEach(enters);
setUp();
