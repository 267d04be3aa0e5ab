// Forms: warn before input is lost, send once, check files before they are uploaded.
import { all, make, maybe, one, target } from "./dom.js";
import { FilterRows } from "./filter_rows.js";

/** Warn before input is lost, and send the form only once. @param {HTMLFormElement} form */
function guard(form) {
  const summary = maybe(".summary", form);
  // What a refused form still holds was typed; a form that was sent empty has nothing to lose.
  /** @type {HTMLInputElement[]} */
  const fields = all("input:not([type=hidden], [type=checkbox], [type=radio]), textarea", form);
  let changed = summary !== null && fields.some((field) => field.value.trim() !== "");
  form.addEventListener("input", () => {
    changed = true;
  });
  form.addEventListener("reset", () => {
    changed = false;
  });
  window.addEventListener("beforeunload", (event) => {
    if (changed) event.preventDefault();
  });
  form.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    changed = false;
    const button = /** @type {HTMLButtonElement} */ (event.submitter ?? one("button[type=submit]", form));
    button.textContent = form.dataset.busy || button.textContent;
    // A button that is off is not sent, and which one was pressed matters.
    window.setTimeout(() => {
      /** @type {HTMLButtonElement[]} */
      const buttons = all("button[type=submit]", form);
      for (const each of buttons) each.disabled = true;
    });
  });
  summary?.focus();
}

/**
 * Carry what was typed about a contact over to the step that is opened, unless something stands there.
 * @param {HTMLDetailsElement} step
 */
function carryNote(step) {
  step.addEventListener("toggle", () => {
    /** @type {HTMLTextAreaElement | null} */
    const note = step.open ? maybe("textarea", step) : null;
    /** @type {HTMLTextAreaElement[]} */
    const others = all("details[data-carries] textarea");
    const typed = others.find((each) => each !== note && each.value.trim());
    if (!note || !typed || note.value.trim()) return;
    note.value = typed.value;
    typed.value = "";
    note.dispatchEvent(new Event("input", { bubbles: true }));
    typed.form?.dispatchEvent(new Event("reset"));
  });
}

/** A file input that checks the size before uploading and accepts dropped files. @param {HTMLElement} zone */
function dropZone(zone) {
  /** @type {HTMLInputElement} */
  const input = one("input[type=file]", zone);
  const hint = make("p", { className: "drop-hint", textContent: zone.dataset.hint ?? "" });
  const refusal = make("p", { className: "error", role: "alert" });
  refusal.dataset.part = "too-large";
  one(".file", zone).after(hint);
  input.addEventListener("change", () => {
    const most = Number(zone.dataset.most) * 1_048_576;
    const large = [...(input.files ?? [])].some((file) => file.size > most);
    const text = large ? (zone.dataset.tooLarge ?? "") : "";
    input.setCustomValidity(text);
    if (large) hint.after(refusal);
    refusal.textContent = text;
    /** @type {HTMLButtonElement} */ (one("button[type=submit]", zone)).disabled = large;
  });
  acceptDrops(zone, input);
}

/** @param {HTMLElement} zone @param {HTMLInputElement} input */
function acceptDrops(zone, input) {
  const over = (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    zone.classList.add("dropping");
  };
  zone.addEventListener("dragenter", over);
  zone.addEventListener("dragover", over);
  zone.addEventListener("dragleave", (event) => {
    if (!zone.contains(/** @type {Node | null} */ (event.relatedTarget))) zone.classList.remove("dropping");
  });
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("dropping");
    if (!event.dataTransfer?.files.length) return;
    input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
}

/** @param {HTMLElement} label */
const depth = (label) => Number(label.dataset.depth ?? 0);

/** The choices above one in a tree, the nearest first. @param {HTMLElement[]} labels @param {HTMLElement} label */
function ancestors(labels, label) {
  const found = [];
  let level = depth(label);
  for (const above of labels.slice(0, labels.indexOf(label)).reverse()) {
    if (depth(above) >= level) continue;
    found.push(above);
    level = depth(above);
  }
  return found;
}

/** A choice of a tree takes those below it along, which are shown so and can't be chosen by themselves. @param {HTMLElement} tree */
function takeAlong(tree) {
  const labels = all("label", tree);
  /** @param {HTMLElement} label @returns {HTMLInputElement} */
  const box = (label) => one("input", label);
  const own = new Set(labels.filter((label) => box(label).checked));
  const show = () => {
    for (const label of labels) {
      const within = ancestors(labels, label).some((above) => own.has(above));
      label.classList.toggle("within", within);
      box(label).disabled = within;
      box(label).checked = within || own.has(label);
    }
  };
  tree.addEventListener("change", (event) => {
    const label = target(event).closest("label");
    if (!label) return;
    if (box(label).checked) own.add(label);
    else own.delete(label);
    show();
  });
  show();
}

/** @param {HTMLInputElement} input */
function findInChecklist(input) {
  input.addEventListener("input", () => {
    const text = input.value.trim().toLowerCase();
    const labels = all("label", input.parentElement ?? document);
    const found = new Set(labels.filter((label) => (label.textContent ?? "").toLowerCase().includes(text)));
    for (const label of [...found]) for (const above of ancestors(labels, label)) found.add(above);
    for (const label of labels) label.hidden = !found.has(label);
  });
}

/** Copy the secret of a mailed link from the fragment, which is never sent to a server or logged. @param {HTMLFormElement} form */
function takeSecret(form) {
  const name = form.dataset.secret ?? "";
  /** @type {HTMLInputElement} */ (form.elements.namedItem(name)).value = location.hash.slice(1);
  /** @type {HTMLAnchorElement[]} */
  const links = all("a.language");
  for (const link of links) link.href += location.hash;
}

/** A button that puts its text into a field, where the cursor is. @param {HTMLElement} button */
function insertsText(button) {
  button.addEventListener("click", () => {
    /** @type {HTMLTextAreaElement} */
    const field = one(button.dataset.into ?? "");
    field.setRangeText(button.dataset.insert ?? "", field.selectionStart, field.selectionEnd, "end");
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.focus();
  });
}

/** @type {HTMLFormElement[]} */ (all("[data-guard]")).forEach(guard);
/** @type {HTMLDetailsElement[]} */ (all("details[data-carries]")).forEach(carryNote);
/** @type {HTMLFormElement[]} */ (all("form[data-secret]")).forEach(takeSecret);
for (const rows of all("form.form .test-rows")) new FilterRows(rows);
all("[data-drop]").forEach(dropZone);
all("[data-insert]").forEach(insertsText);
all(".checklist-tree").forEach(takeAlong);
/** @type {HTMLInputElement[]} */ (all(".checklist-find")).forEach(findInChecklist);
for (const control of all("[data-submit]")) {
  control.addEventListener("change", (event) => {
    /** @type {HTMLInputElement} */ (target(event)).form?.requestSubmit();
  });
}
