// The rule editor: sends the form as JSON, and shows the meaning and the problems that the server returns.
import { Coverage } from "./coverage.js";
import { all, filled, make, maybe, one, target } from "./dom.js";
import { FilterRows } from "./filter_rows.js";
import { Hours } from "./hours.js";
import { Picker } from "./picker.js";
import { post } from "./posting.js";

/**
 * @typedef {Record<string, any>} Rule
 * @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Control
 * @typedef {{field: string, text: string, note?: boolean}} Problem
 * @typedef {{key: string, label: string, changed_by: "them" | "you" | "both", theirs: string, yours: string}} Part
 * @typedef {{text: string, parts: Part[], names: Record<string, object>, theirs: Rule, revision: number}} Conflict
 */

const editor = one("#rule-editor");
const start = JSON.parse(editor.dataset.start ?? "");
const say = JSON.parse(editor.dataset.words ?? "");
const filter = one("#lead-filter");
/** @type {HTMLButtonElement} */
const saveButton = one("button[type=submit]", editor);
/** @type {WeakMap<HTMLElement, {hours: Hours, places: Picker}>} */
const parts = new WeakMap();
/** @type {Rule} */
let base = start.rule;
/** @type {number} */
let revision = start.revision;
let clean = "";
let numbered = 0;
let pausing = 0;
/** @type {AbortController | null} */
let saying = null;

// -- form and rule -------------------------------------------------------------------------
/** @param {Control} control */
function read(control) {
  if (control.dataset.type !== "number") return control.value;
  const text = control.value.trim();
  return text === "" || Number.isNaN(Number(text)) ? null : Number(text);
}

/** @param {ParentNode} root @param {string} list @returns {HTMLInputElement[]} */
const boxes = (root, list) => all(`[data-list=${list}]`, root);

/** @param {ParentNode} root @param {string} list */
const ticked = (root, list) =>
  boxes(root, list)
    .filter((box) => box.checked)
    .map((box) => box.value);

/** @param {ParentNode} root @param {string} list @param {string[]} values */
function tick(root, list, values) {
  for (const box of boxes(root, list)) box.checked = values.includes(box.value);
}

/** The controls of the rule itself. @returns {Control[]} */
const fields = () =>
  /** @type {Control[]} */ (all("[data-field]", editor)).filter((each) => !each.closest(".condition"));

/** @param {Control} control */
const isRadio = (control) => control instanceof HTMLInputElement && control.type === "radio";

/** @param {Control} control */
const nameOf = (control) => (control.dataset.field ?? "").split(".");

/** @returns {Rule} */
function currentRule() {
  /** @type {Rule} */
  const rule = { weights: {}, grade_bands: { D: 0 }, conditions: all(".condition").map(currentCondition) };
  for (const control of fields()) {
    if (isRadio(control) && !(/** @type {HTMLInputElement} */ (control).checked)) continue;
    const [name, key] = nameOf(control);
    if (key) rule[name][key] = read(control);
    else rule[name] = read(control);
  }
  Object.assign(rule, goal.values);
  rule.lead_filter = Object.assign({ statuses: ticked(filter, "statuses") }, ...filters.map((picker) => picker.values));
  rule.lead_filter.rows = tests.rows;
  return rule;
}

/** @param {HTMLElement} card @returns {Rule} */
function currentCondition(card) {
  const { hours, places } = partsOf(card);
  /** @type {Rule} */
  const condition = { hours: hours.values, event_types: ticked(card, "event_types"), ...places.values };
  for (const control of /** @type {Control[]} */ (all("[data-field]", card))) {
    condition[control.dataset.field ?? ""] = read(control);
  }
  return condition;
}

/** @param {HTMLElement} card */
function partsOf(card) {
  const found = parts.get(card);
  if (!found) throw new Error("a condition without parts");
  return found;
}

/** @param {Rule} rule */
function fill(rule) {
  for (const control of fields()) {
    const [name, key] = nameOf(control);
    const value = key ? rule[name][key] : rule[name];
    if (isRadio(control)) /** @type {HTMLInputElement} */ (control).checked = control.value === value;
    else control.value = value ?? "";
  }
  tick(filter, "statuses", rule.lead_filter.statuses);
  for (const picker of filters) picker.values = rule.lead_filter;
  tests.rows = rule.lead_filter.rows;
  goal.values = rule;
  one("#conditions").replaceChildren(...rule.conditions.map(conditionCard));
  number();
}

// -- conditions ----------------------------------------------------------------------------
/** @param {Rule} condition @returns {HTMLElement} */
function conditionCard(condition) {
  /** @type {HTMLTemplateElement} */
  const template = one("#condition");
  const copy = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
  const card = /** @type {HTMLElement} */ (copy.firstElementChild);
  numbered += 1;
  identify(card, `c${numbered}`);
  for (const control of /** @type {Control[]} */ (all("[data-field]", card))) {
    control.value = condition[control.dataset.field ?? ""];
  }
  tick(card, "event_types", condition.event_types);
  const places = new Picker(one(".picker", card), start.urls.find, start.names, say, typed);
  places.values = condition;
  const hours = new Hours(one(".hours", card), say, typed);
  hours.values = condition.hours;
  parts.set(card, { hours, places });
  /** @type {HTMLSelectElement} */
  const metric = one("[data-field=metric]", card);
  const unit = () => {
    one("[data-unit]", card).textContent = start.units[metric.value];
  };
  metric.addEventListener("change", unit);
  unit();
  for (const button of /** @type {HTMLButtonElement[]} */ (all("[data-action]", card))) {
    button.addEventListener("click", () => change(card, button));
  }
  return card;
}

/** Give the controls of a card unique ids, and connect their labels. @param {HTMLElement} card @param {string} mark */
function identify(card, mark) {
  for (const control of all("[data-field]", card)) {
    control.id = `${mark}-${control.dataset.field}`;
    /** @type {HTMLLabelElement | null} */
    const label = maybe(`[data-for=${control.dataset.field}]`, card);
    if (label) label.htmlFor = control.id;
  }
  one(".picker select", card).id = `${mark}-places`;
  for (const line of all("[data-problem]", card)) line.id = `${mark}-problem-${line.dataset.problem}`;
  for (const [place, label] of all(".label", card).entries()) {
    label.id = `${mark}-label-${place}`;
    label.parentElement?.setAttribute("aria-labelledby", label.id);
  }
}

/** Move, copy or remove a condition. @param {HTMLElement} card @param {HTMLButtonElement} button */
function change(card, button) {
  const { action } = button.dataset;
  const other = { up: card.previousElementSibling, down: card.nextElementSibling }[action ?? ""];
  if (action === "up") other?.before(card);
  if (action === "down") other?.after(card);
  if (action === "copy") {
    const copy = conditionCard(currentCondition(card));
    card.after(copy);
    one("[data-field=window_days]", copy).focus();
  }
  if (action === "remove") {
    const next = card.nextElementSibling ?? card.previousElementSibling;
    card.remove();
    (next ? one("[data-field=window_days]", next) : one("[data-add]")).focus();
  }
  number();
  if (other) (button.disabled ? one("[data-action]:not([disabled])", card) : button).focus();
  typed();
}

function number() {
  const cards = all(".condition");
  for (const [place, card] of cards.entries()) {
    const text = filled(say.condition, { n: place + 1 });
    one("h3", card).textContent = text;
    card.setAttribute("aria-label", text);
    const impossible = { up: place === 0, down: place === cards.length - 1, remove: cards.length === 1 };
    for (const [action, never] of Object.entries(impossible)) {
      /** @type {HTMLButtonElement} */ (one(`[data-action=${action}]`, card)).disabled = never;
    }
  }
}

// -- meaning and problems ------------------------------------------------------------------
/** The line that shows the problem of a field. @param {string} field */
function lineOf(field) {
  const [name, place, part] = field.split(".");
  if (name === "conditions" && place !== undefined) {
    const card = all(".condition")[Number(place)];
    return card && (maybe(`[data-problem=${part || "value"}]`, card) ?? maybe("[data-problem=value]", card));
  }
  const inside = name === "lead_filter" ? place : field;
  return maybe(`[data-problem="${inside}"]`) ?? maybe(`[data-problem="${name}"]`);
}

/** @param {HTMLElement} line */
function controlOf(line) {
  const field = line.closest(".field");
  return field && maybe("[data-field], .picker-find, [data-from], [data-list]", field);
}

/** @param {Problem[]} problems @param {{quietly?: boolean}} [how] */
function showProblems(problems, { quietly = false } = {}) {
  for (const line of all("[data-problem]")) {
    line.hidden = true;
    line.textContent = "";
    line.closest(".field")?.classList.remove("field-bad");
    controlOf(line)?.removeAttribute("aria-invalid");
  }
  for (const problem of problems) {
    const line = lineOf(problem.field);
    if (!line) continue;
    // An empty field that was not touched is no problem until the rule is saved.
    if (quietly && !problem.note && untouched(line)) continue;
    line.textContent = line.textContent ? `${line.textContent} ${problem.text}` : problem.text;
    line.hidden = false;
    line.classList.toggle("hint", problem.note);
    if (problem.note) continue;
    line.closest(".field")?.classList.add("field-bad");
    const control = controlOf(line);
    control?.setAttribute("aria-invalid", "true");
    control?.setAttribute("aria-describedby", line.id);
  }
}

/** @param {HTMLElement} line */
function untouched(line) {
  const control = /** @type {Control | null} */ (controlOf(line));
  return control && control.value === "" && !control.dataset.touched;
}

/** @param {Problem[]} problems */
function showSummary(problems) {
  const box = one("#summary");
  box.hidden = problems.length === 0;
  if (box.hidden) return;
  const items = problems.map((problem) => make("li", {}, summaryOf(problem)));
  box.replaceChildren(make("strong", { textContent: say.unsound }), make("ul", {}, ...items));
  box.focus();
}

/** A problem as a link to its control, if it has one. @param {Problem} problem */
function summaryOf({ field, text }) {
  const line = field && lineOf(field);
  const control = line && controlOf(line);
  if (!control) return make("span", { textContent: text });
  const label = one("label, .label, legend", /** @type {HTMLElement} */ (line.closest(".field")));
  const card = line.closest(".condition");
  const place = card ? `${one("h3", card).textContent} · ` : "";
  const link = make(
    "a",
    { href: `#${control.id}` },
    `${place}${(label.firstChild?.textContent ?? "").trim()}: ${text}`,
  );
  link.addEventListener("click", (event) => {
    event.preventDefault();
    control.focus();
  });
  return link;
}

async function describeRule() {
  saying?.abort();
  saying = new AbortController();
  try {
    const answer = await post(editor, start.urls.wording, { rule: JSON.stringify(currentRule()) }, saying.signal);
    if (!answer.ok) return;
    const { sentence, problems } = await answer.json();
    one("#meaning").textContent = sentence || say.incomplete;
    one("#meaning").classList.toggle("incomplete", !sentence);
    showProblems(problems, { quietly: true });
  } catch {
    // Cancelled by a newer request, or the server restarts.
  }
}

function typed() {
  window.clearTimeout(pausing);
  pausing = window.setTimeout(describeRule, 250);
  coverage.typed();
}

// -- saving, and conflicting edits ---------------------------------------------------------
const changed = () => JSON.stringify(currentRule()) !== clean;

/** @param {SubmitEvent} event */
async function save(event) {
  event.preventDefault();
  const state = one("#state");
  saveButton.disabled = true;
  state.textContent = say.saving;
  const values = { rule: JSON.stringify(currentRule()), revision: String(revision), base: JSON.stringify(base) };
  try {
    const answer = await post(editor, start.urls.save, values);
    state.textContent = answer.redirected ? say.logged_out : "";
    if (!answer.redirected) finish(answer.ok, await answer.json());
  } catch {
    state.textContent = say.offline;
  } finally {
    saveButton.disabled = false;
  }
}

/** @param {boolean} ok @param {any} result */
function finish(ok, result) {
  if (ok) {
    clean = JSON.stringify(currentRule());
    window.location.assign(result.url);
  } else if (result.parts) {
    showConflict(result);
  } else {
    const problems = result.problems ?? [{ field: "", text: result.message }];
    showProblems(problems);
    showSummary(problems);
  }
}

/** @param {Conflict} conflict */
function showConflict(conflict) {
  const panel = one("#merge");
  one("[data-part=text]", panel).textContent = conflict.text;
  const by = { them: say.by_them, you: say.by_you, both: say.by_both };
  const rows = conflict.parts.map((part) => {
    const head = make("th", { scope: "row" }, part.label, make("small", { textContent: by[part.changed_by] }));
    return make("tr", {}, head, choice(part, "theirs"), choice(part, "yours"));
  });
  one("tbody", panel).replaceChildren(...rows);
  for (const [list, names] of Object.entries(conflict.names)) start.names[list] = { ...start.names[list], ...names };
  one("[data-merge]", panel).onclick = () => merge(conflict);
  panel.hidden = false;
  panel.focus();
  panel.scrollIntoView({ block: "start" });
}

/** @param {Part} part @param {"theirs" | "yours"} side */
function choice(part, side) {
  const radio = make("input", { type: "radio", name: `merge-${part.key}`, value: side });
  radio.checked = side === (part.changed_by === "them" ? "theirs" : "yours");
  const words = make("span", { textContent: `${say[side]}: ${part[side] || "—"}` });
  return make("td", {}, make("label", {}, radio, words));
}

/** @param {Conflict} conflict */
function merge(conflict) {
  const rule = currentRule();
  for (const { key } of conflict.parts) {
    /** @type {HTMLInputElement} */
    const chosen = one(`[name=merge-${key}]:checked`);
    if (chosen.value === "theirs") rule[key] = conflict.theirs[key];
  }
  base = conflict.theirs;
  revision = conflict.revision;
  fill(rule);
  one("#merge").hidden = true;
  one("#merge tbody").replaceChildren();
  typed();
  saveButton.focus();
}

// -- start ---------------------------------------------------------------------------------
const filters = all(".picker", filter).map((box) => new Picker(box, start.urls.find, start.names, say, typed));
const tests = new FilterRows(one(".test-rows", editor));
const goal = new Picker(one("#success .picker"), start.urls.find, start.names, say, typed);
fill(start.rule);
clean = JSON.stringify(currentRule());
const coverage = new Coverage(one("#coverage"), currentRule, (values, signal) =>
  post(editor, start.urls.coverage, values, signal),
);

one("[data-add]").addEventListener("click", () => {
  const card = conditionCard(start.first);
  one("#conditions").append(card);
  number();
  one("[data-field=window_days]", card).focus();
  typed();
});
for (const kind of ["input", "change"]) {
  editor.addEventListener(kind, (event) => {
    if (kind === "input") target(event).dataset.touched = "yes";
    // Pickers report their changes themselves.
    if (!target(event).closest(".picker")) typed();
  });
}
editor.addEventListener("submit", save);
window.addEventListener("beforeunload", (event) => {
  if (changed()) event.preventDefault();
});
describeRule();
