// The schedule editor: the form is one definition, as in a configuration file, which the server checks and previews.
import { all, filled, make, maybe, one, target } from "./dom.js";
import { PaintedGrid, WEEKDAYS } from "./week_grid.js";
import { WeekPreview } from "./week_preview.js";

/**
 * @typedef {import("./week_preview.js").Definition} Definition
 * @typedef {import("./week_preview.js").Fault} Fault
 * @typedef {{from: string, to: string, level: string, days: string[]}} Range
 * @typedef {{kind: string, target: string}} Channel
 * @typedef {{id: number, name: string, timing: Definition, mine: boolean}} Timing
 * @typedef {HTMLInputElement | HTMLSelectElement} Control
 */

/** @type {HTMLFormElement} */
const form = one("form[data-editor]");
const data = JSON.parse(one("[data-schedule-data]", form).textContent ?? "");
const words = data.words;
/** @type {Control[]} */
const paths = all("[data-path]", form);
const state = one("[data-state]", form);
const summary = one(`[data-place=""]`, form);
/** @type {HTMLInputElement} */
const token = one("[name=csrf_token]", form);
/** @type {HTMLInputElement[]} */
const brushes = all("[name=brush]", form);
/** @type {HTMLButtonElement} */
const undo = one("[data-undo]", form);
/** @type {HTMLDialogElement} */
const keepDialog = one("#keep");
/** @type {{preview: Fault[], save: Fault[]}} */
const faults = { preview: [], save: [] };
let stored = "";

const grid = new PaintedGrid(one("[data-grid]", form), words, {
  brush: () => brushes.find((each) => each.checked)?.value ?? "",
  say: (text) => {
    one("[data-said]", form).textContent = text;
  },
  changed: (depth) => {
    undo.disabled = depth === 0;
    edited();
  },
});

function edited() {
  state.textContent = typed() === stored ? "" : words.unsaved;
  state.className = "schedule-state";
  preview.askSoon();
}

// -- definition ⇄ controls -----------------------------------------------------------------------------
/** A control of the form. @param {string} selector @param {ParentNode} [root] @returns {HTMLInputElement} */
const field = (selector, root = form) => one(selector, root);

/** @param {string} text */
const numberOf = (text) => (text.trim() === "" || Number.isNaN(Number(text)) ? null : Number(text));

/** @param {Control} control */
function read(control) {
  if (control.dataset.kind === "number") return numberOf(control.value);
  return control.dataset.kind === "date" ? control.value || null : control.value;
}

/** @param {string} selector @param {ParentNode} root */
const ticked = (selector, root) =>
  /** @type {HTMLInputElement[]} */ (all(`${selector}:checked`, root)).map((box) => box.value);

/** @param {HTMLElement} row @returns {Range} */
const rangeOf = (row) => ({
  from: field("[data-part=from]", row).value.trim(),
  to: field("[data-part=to]", row).value.trim(),
  level: field("[data-part=level]", row).value,
  days: ticked("[data-part=days] input", row),
});

/** @param {HTMLElement} row @returns {Channel} */
function channelOf(row) {
  /** @type {HTMLSelectElement} */
  const chosen = one("[data-part=target]", row);
  return { kind: chosen.selectedOptions[0]?.dataset.kind ?? "", target: chosen.value };
}

function weekendOf() {
  const chosen = field("[data-weekend]").value;
  if (chosen !== "stretched") return chosen;
  const percent = numberOf(field("[data-percent]").value);
  return percent === null ? null : 1 + percent / 100;
}

function quietOf() {
  if (!field("[data-quiet]").checked) return null;
  return [field("[data-quiet-from]").value.trim(), field("[data-quiet-to]").value.trim()];
}

const presetOf = () => ticked("[name=preset]", form)[0] ?? "";

/** @returns {Definition} */
function definition() {
  return {
    ...Object.fromEntries(paths.map((control) => [control.dataset.path, read(control)])),
    preset: presetOf(),
    rules: ticked("[data-rule]", form),
    grid: grid.week,
    weekend: weekendOf(),
    quiet_hours: quietOf(),
    ranges: all("[data-range]", form).map(rangeOf),
    channels: all("[data-channel]", form).map(channelOf),
  };
}

const typed = () => JSON.stringify(definition());

/** @param {Definition} found */
function fill(found) {
  for (const control of paths) control.value = found[control.dataset.path ?? ""] ?? "";
  for (const radio of /** @type {HTMLInputElement[]} */ (all("[name=preset]", form)))
    radio.checked = radio.value === found.preset;
  for (const box of /** @type {HTMLInputElement[]} */ (all("[data-rule]", form)))
    box.checked = found.rules.includes(box.value);
  const stretched = typeof found.weekend === "number";
  field("[data-weekend]").value = stretched ? "stretched" : found.weekend;
  field("[data-percent]").value = String(stretched ? Math.round((found.weekend - 1) * 10000) / 100 : 200);
  field("[data-quiet]").checked = Boolean(found.quiet_hours);
  const [from, to] = found.quiet_hours || ["21:00", "08:00"];
  field("[data-quiet-from]").value = from;
  field("[data-quiet-to]").value = to;
  one("[data-ranges]", form).replaceChildren(...found.ranges.map(rangeRow));
  one("[data-channels]", form).replaceChildren(...found.channels.map(channelRow));
  grid.start(found.grid);
  undo.disabled = true;
  hideUnused();
}

/** @param {"range" | "channel"} name */
function rowFrom(name) {
  /** @type {HTMLTemplateElement} */
  const template = one(`template[data-${name}-row]`, form);
  const row = /** @type {HTMLElement} */ (template.content.firstElementChild?.cloneNode(true));
  one("[data-remove]", row).addEventListener("click", () => {
    const next = /** @type {HTMLElement | null | undefined} */ (row.parentElement?.nextElementSibling);
    row.remove();
    next?.focus();
    edited();
  });
  return row;
}

/** @param {Range} range */
function rangeRow(range) {
  const row = rowFrom("range");
  field("[data-part=from]", row).value = range.from;
  field("[data-part=to]", row).value = range.to;
  field("[data-part=level]", row).value = range.level;
  /** @type {HTMLInputElement[]} */
  const days = all("[data-part=days] input", row);
  for (const box of days) box.checked = range.days.includes(box.value);
  return row;
}

/** @param {Channel} channel */
function channelRow(channel) {
  const row = rowFrom("channel");
  /** @type {HTMLSelectElement} */
  const select = one("[data-part=target]", row);
  const isIt = (/** @type {HTMLOptionElement} */ option) =>
    option.value === channel.target && option.dataset.kind === channel.kind;
  if (![...select.options].some(isIt)) {
    const gone = new Option(`${channel.kind} ${channel.target}`, channel.target);
    gone.dataset.kind = channel.kind;
    select.append(gone);
  }
  select.selectedIndex = [...select.options].findIndex(isIt);
  return row;
}

/** Hide the controls that the chosen preset does not use. */
function hideUnused() {
  for (const each of all("[data-for]", form)) each.hidden = !each.dataset.for?.split(" ").includes(presetOf());
  const stretched = field("[data-weekend]").value === "stretched";
  for (const each of all("[data-stretch]", form)) each.hidden = !stretched;
  for (const each of [field("[data-quiet-from]"), field("[data-quiet-to]")])
    each.disabled = !field("[data-quiet]").checked;
}

// -- problems beside their fields ----------------------------------------------------------------------
const PLACES = "[data-place], [data-range], [data-channel]";

/** @param {string} path */
function placeOf(path) {
  const [list, number] = path.split(".");
  /** @type {Record<string, string>} */
  const rows = { ranges: "[data-range]", channels: "[data-channel]" };
  if (rows[list] && number !== undefined) return all(rows[list], form)[Number(number)] ?? summary;
  return maybe(`[data-place="${list}"]`, form) ?? summary;
}

/** @param {HTMLElement} place @param {string} path */
const controlOf = (place, path) =>
  maybe(`[data-part="${path.split(".")[2]}"]`, place) ?? maybe(".control, input", place);

/** Show all problems and return the first one. */
function showFaults() {
  for (const each of all("[data-fault]", form)) each.remove();
  for (const each of all(".field-bad", form)) each.classList.remove("field-bad");
  for (const each of all("[aria-invalid]", form)) each.removeAttribute("aria-invalid");
  const shown = new Set();
  for (const { path, text } of [...faults.save, ...faults.preview]) {
    if (shown.has(path)) continue;
    shown.add(path);
    showFault(path, text, `fault-${shown.size}`);
  }
  summary.hidden = !maybe("[data-fault]", summary);
  return maybe("[data-fault]", form);
}

/** @param {string} path @param {string} text @param {string} id */
function showFault(path, text, id) {
  const place = placeOf(path);
  const line = make("p", { className: place === summary ? "" : "error", id, textContent: text });
  line.dataset.fault = path;
  place.append(line);
  if (place === summary) return;
  place.classList.add("field-bad");
  const control = controlOf(place, path);
  control?.setAttribute("aria-invalid", "true");
  control?.setAttribute("aria-errormessage", id);
}

/** @param {HTMLElement} control */
function clearFault(control) {
  const place = control.closest(PLACES);
  if (!place) return;
  faults.save = faults.save.filter(({ path }) => path !== "" && placeOf(path) !== place);
  showFaults();
}

function focusFault() {
  const first = showFaults();
  /** @type {HTMLElement | null | undefined} */
  const place = first?.closest(PLACES);
  if (!first || !place) return;
  place.scrollIntoView({ block: "center" });
  const control = place === summary ? place : controlOf(place, first.dataset.fault ?? "");
  control?.focus({ preventScroll: true });
}

// -- sending -------------------------------------------------------------------------------------------
/** @param {string} url @param {Record<string, string>} values @returns {Promise<any>} */
async function post(url, values) {
  const body = new FormData();
  for (const [name, value] of Object.entries({ csrf_token: token.value, ...values })) body.set(name, value);
  try {
    const answer = await fetch(url, { method: "POST", body });
    return { ok: answer.ok, ...(await answer.json()) };
  } catch {
    return { ok: false, problems: [{ path: "", text: words.failed }] };
  }
}

/** Save the definition. Returns null when the server refuses it. */
async function save() {
  const sent = typed();
  /** @type {HTMLButtonElement[]} */
  const buttons = all("button[name=do]", form);
  for (const each of buttons) each.disabled = true;
  const found = await post(data.urls.save, { id: data.id ?? "", seen: data.seen, definition: sent });
  for (const each of buttons) each.disabled = false;
  faults.save = found.problems || [];
  if (found.seen) data.seen = found.seen;
  if (!found.ok) {
    if (found.stored) faults.save.push({ path: "stored", text: found.stored });
    focusFault();
    return null;
  }
  data.id = found.id;
  data.definition = JSON.parse(sent);
  stored = sent;
  field("[data-path=code]").readOnly = true;
  window.history.replaceState(null, "", found.edit);
  showFaults();
  state.textContent = typed() === stored ? words.saved : words.unsaved;
  state.classList.add("good");
  return found;
}

function reset() {
  faults.save = [];
  fill(data.definition);
  edited();
  showFaults();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const what = /** @type {HTMLButtonElement | null} */ (event.submitter)?.value ?? "save";
  if (what === "reset") {
    reset();
    return;
  }
  const found = await save();
  if (found && what === "submit") window.location.assign(found.submit);
});
window.addEventListener("beforeunload", (event) => {
  if (typed() !== stored) event.preventDefault();
});

// -- saved schedules -----------------------------------------------------------------------------------
/** @param {Timing[]} timings */
function showSaved(timings) {
  one("[data-kept]", form).replaceChildren(...timings.map(savedLine));
}

/** @param {Timing} timing */
function savedLine({ id, name, timing, mine }) {
  const use = make("button", { type: "button", className: "chip", textContent: name });
  use.addEventListener("click", () => {
    const { code, name: called, rules, channels, start_date } = definition();
    const week = { ...data.defaults.grid, ...timing.grid };
    fill({ ...data.defaults, ...timing, code, name: called, rules, channels, start_date, grid: week });
    edited();
  });
  if (!mine) return make("li", {}, use);
  const forget = make("button", {
    type: "button",
    className: "word",
    textContent: "×",
    ariaLabel: filled(words.forget, { name }),
  });
  forget.addEventListener("click", async () => {
    const answer = await post(data.urls.forget.replace(/0$/, id), {});
    if (answer.ok) showSaved(answer.shortcuts);
    one("[data-keep]", form).focus();
  });
  return make("li", {}, use, forget);
}

one("[data-keep]", form).addEventListener("click", () => {
  one("#keep-error").hidden = true;
  keepDialog.showModal();
});
one("[data-close]", keepDialog).addEventListener("click", () => keepDialog.close());
one("[data-keep-form]", keepDialog).addEventListener("submit", async (event) => {
  event.preventDefault();
  const found = await post(data.urls.keep, { name: field("#keep-name", document).value, definition: typed() });
  const error = one("#keep-error");
  error.hidden = found.ok;
  if (!found.ok) {
    error.textContent = found.problems.map((/** @type {Fault} */ { text }) => text).join(" ");
    return;
  }
  showSaved(found.shortcuts);
  field("#keep-name", document).value = "";
  keepDialog.close();
});

// -- test push -----------------------------------------------------------------------------------------
/** Open the dialog with the channels that are chosen now. */
maybe("[data-test]", form)?.addEventListener("click", () => {
  const dialog = /** @type {HTMLDialogElement} */ (one("#test"));
  const chosen = definition().channels.map((/** @type {Channel} */ channel) => channel.target);
  for (const box of /** @type {HTMLInputElement[]} */ (all("[name=target]", dialog)))
    box.checked = chosen.includes(box.value);
  field("[name=id]", dialog).value = data.id ?? "";
  one("#test-answers", dialog).replaceChildren();
  dialog.showModal();
});
maybe("#test [data-close]", document)?.addEventListener("click", () => {
  /** @type {HTMLDialogElement} */ (one("#test")).close();
});

// -- wiring --------------------------------------------------------------------------------------------
const preview = new WeekPreview(one("[data-preview-panel]", form), {
  url: data.urls.preview,
  token: token.value,
  words,
  definition,
  problems: (found) => {
    faults.preview = found;
    showFaults();
  },
});

form.addEventListener("input", (event) => {
  const own = "[data-preview-panel], .brushes, [data-week-shortcut], .copy, .checklist-find";
  if (target(event).closest(own)) return;
  hideUnused();
  clearFault(target(event));
  edited();
});
undo.addEventListener("click", () => grid.undo());
field("[data-week-shortcut]").addEventListener("change", (event) => {
  const chosen = /** @type {HTMLSelectElement} */ (event.target);
  if (chosen.value) grid.paintWeek(data.grids[chosen.value]);
  chosen.value = "";
});
one("[data-copy]", form).addEventListener("click", () => {
  grid.copy(field("[data-copy-from]").value, field("[data-copy-to]").value.split(" "));
});
one("[data-add-range]", form).addEventListener("click", () => {
  const row = rangeRow({ from: "12:00", to: "14:00", level: "S", days: WEEKDAYS });
  one("[data-ranges]", form).append(row);
  one("[data-part=from]", row).focus();
  edited();
});
maybe("[data-add-channel]", form)?.addEventListener("click", () => {
  const row = rowFrom("channel");
  one("[data-channels]", form).append(row);
  one("[data-part=target]", row).focus();
  edited();
});
fill(data.definition);
showSaved(data.shortcuts);
stored = typed();
preview.ask();
