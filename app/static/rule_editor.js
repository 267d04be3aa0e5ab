// The rule editor: the form is a rule as JSON, the server says what it means and what is wrong with it.
"use strict";

const editor = one("#rule-editor");
const start = JSON.parse(editor.dataset.start);
const say = JSON.parse(editor.dataset.words);
const filters = new Map();
let base = start.rule;
let revision = start.revision;
let clean = "";
let numbered = 0;

// -- form and rule -------------------------------------------------------------------------
const read = (control) => {
  if (control.dataset.type !== "number") return control.value;
  const typed = control.value.trim();
  return typed === "" || Number.isNaN(Number(typed)) ? null : Number(typed);
};

const ticked = (root, list) => all(`[data-list=${list}]:checked`, root).map((box) => box.value);
const tick = (root, list, values) => all(`[data-list=${list}]`, root).forEach((box) => { box.checked = values.includes(box.value); });

function ruleTyped() {
  const rule = { weights: {}, grade_bands: { D: 0 }, conditions: all(".condition").map(conditionTyped) };
  for (const control of all("[data-field]", editor)) {
    if (control.closest(".condition") || (control.type === "radio" && !control.checked)) continue;
    const [name, key] = control.dataset.field.split(".");
    if (key) rule[name][key] = read(control);
    else rule[name] = read(control);
  }
  rule.lead_filter = { statuses: ticked(one("#lead-filter"), "statuses") };
  filters.forEach((picker) => Object.assign(rule.lead_filter, picker.values));
  return rule;
}

function conditionTyped(card) {
  const condition = { hours: card.hours.values, event_types: ticked(card, "event_types"), ...card.places.values };
  all("[data-field]", card).forEach((control) => { condition[control.dataset.field] = read(control); });
  return condition;
}

function fill(rule) {
  for (const control of all("[data-field]", editor)) {
    if (control.closest(".condition")) continue;
    const [name, key] = control.dataset.field.split(".");
    const value = key ? rule[name][key] : rule[name];
    if (control.type === "radio") control.checked = control.value === value;
    else control.value = value ?? "";
  }
  tick(one("#lead-filter"), "statuses", rule.lead_filter.statuses);
  filters.forEach((picker) => { picker.values = rule.lead_filter; });
  one("#conditions").replaceChildren(...rule.conditions.map(conditionCard));
  number();
}

// -- conditions ----------------------------------------------------------------------------
function conditionCard(condition) {
  const card = one("#condition").content.cloneNode(true).firstElementChild;
  const mark = `c${numbered += 1}`;
  all("[data-field]", card).forEach((control) => {
    control.id = `${mark}-${control.dataset.field}`;
    const label = one(`[data-for=${control.dataset.field}]`, card);
    if (label) label.htmlFor = control.id;
    control.value = condition[control.dataset.field];
  });
  const input = one(".picker-find", card);
  input.id = `${mark}-places`;
  one("label", input.closest(".picker")).htmlFor = input.id;
  one(".picker-found", card).id = `${mark}-found`;
  input.setAttribute("aria-controls", `${mark}-found`);
  all("[data-problem]", card).forEach((line) => { line.id = `${mark}-problem-${line.dataset.problem}`; });
  all(".label", card).forEach((label, place) => {
    label.id = `${mark}-label-${place}`;
    label.parentElement.setAttribute("aria-labelledby", label.id);
  });
  tick(card, "event_types", condition.event_types);
  card.places = new Picker(one(".picker", card), start.urls.find, start.names, say, typed);
  card.places.values = condition;
  card.hours = new Hours(one(".hours", card), say, typed);
  card.hours.values = condition.hours;
  const unit = () => { one("[data-unit]", card).textContent = start.units[one("[data-field=metric]", card).value]; };
  one("[data-field=metric]", card).addEventListener("change", unit);
  unit();
  all("[data-deed]", card).forEach((button) => button.addEventListener("click", () => deed(card, button)));
  return card;
}

function deed(card, button) {
  const other = { up: card.previousElementSibling, down: card.nextElementSibling }[button.dataset.deed];
  if (button.dataset.deed === "up" && other) other.before(card);
  if (button.dataset.deed === "down" && other) other.after(card);
  if (button.dataset.deed === "copy") {
    const copy = conditionCard(conditionTyped(card));
    card.after(copy);
    one("[data-field=window_days]", copy).focus();
  }
  if (button.dataset.deed === "remove") {
    const next = card.nextElementSibling || card.previousElementSibling;
    card.remove();
    (next ? one("[data-field=window_days]", next) : one("[data-add]")).focus();
  }
  number();
  if (other) (button.disabled ? one("[data-deed]:not([disabled])", card) : button).focus();
  typed();
}

function number() {
  const cards = all(".condition");
  cards.forEach((card, place) => {
    one("h3", card).textContent = say.condition.replace("{n}", place + 1);
    card.setAttribute("aria-label", one("h3", card).textContent);
    one("[data-deed=up]", card).disabled = place === 0;
    one("[data-deed=down]", card).disabled = place === cards.length - 1;
    one("[data-deed=remove]", card).disabled = cards.length === 1;
  });
}

// -- what it means and what is wrong -------------------------------------------------------
function lineOf(field) {
  const [name, place, part] = field.split(".");
  if (name === "conditions" && place !== undefined) {
    const card = all(".condition")[Number(place)];
    return card && (one(`[data-problem=${part || "value"}]`, card) || one("[data-problem=value]", card));
  }
  const inside = name === "lead_filter" ? place : field;
  return one(`[data-problem="${inside}"]`) || one(`[data-problem="${name}"]`);
}

function controlOf(line) {
  const field = line.closest(".field");
  return field && (one("[data-field], .picker-find, [data-from], [data-list]", field));
}

function showProblems(problems, { quietly = false } = {}) {
  all("[data-problem]").forEach((line) => {
    line.hidden = true;
    line.textContent = "";
    line.closest(".field")?.classList.remove("field-bad");
    controlOf(line)?.removeAttribute("aria-invalid");
  });
  for (const problem of problems) {
    const line = lineOf(problem.field);
    if (!line) continue;
    // A field nobody has filled in yet is no mistake until it is saved.
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

function untouched(line) {
  const control = controlOf(line);
  return control && control.value === "" && !control.dataset.touched;
}

function summarise(problems) {
  const box = one("#summary");
  box.hidden = problems.length === 0;
  if (box.hidden) return;
  const list = document.createElement("ul");
  problems.forEach((problem) => {
    const item = document.createElement("li");
    const line = problem.field && lineOf(problem.field);
    const control = line && controlOf(line);
    const link = document.createElement(control ? "a" : "span");
    link.textContent = problem.text;
    if (control) {
      link.href = `#${control.id}`;
      const label = one("label, .label, legend", line.closest(".field"));
      const card = line.closest(".condition");
      link.textContent = `${card ? `${one("h3", card).textContent} · ` : ""}${label.firstChild.textContent.trim()}: ${problem.text}`;
      link.addEventListener("click", (event) => { event.preventDefault(); control.focus(); });
    }
    item.append(link);
    list.append(item);
  });
  const head = document.createElement("strong");
  head.textContent = say.unsound;
  box.replaceChildren(head, list);
  box.focus();
}

let saying = null;
async function sayMeaning() {
  saying?.abort();
  saying = new AbortController();
  try {
    const answer = await post(start.urls.wording, {}, saying.signal);
    if (!answer.ok) return;
    const { sentence, problems } = await answer.json();
    one("#meaning").textContent = sentence || say.incomplete;
    one("#meaning").classList.toggle("incomplete", !sentence);
    showProblems(problems, { quietly: true });
    editor.dispatchEvent(new CustomEvent("meant", { detail: { sound: !problems.some((each) => !each.note) } }));
  } catch { /* given up for a newer one, or the server restarts */ }
}

function post(url, more, signal) {
  const body = new FormData();
  body.set("csrf_token", one("[name=csrf_token]", editor).value);
  body.set("rule", JSON.stringify(ruleTyped()));
  Object.entries(more).forEach(([name, value]) => body.set(name, value));
  return fetch(url, { method: "POST", body, signal, headers: { Accept: "application/json" } });
}

let pausing = 0;
function typed() {
  window.clearTimeout(pausing);
  pausing = window.setTimeout(sayMeaning, 250);
  editor.dispatchEvent(new CustomEvent("typed"));
}

// -- saving, and two people at once --------------------------------------------------------
const changed = () => JSON.stringify(ruleTyped()) !== clean;

async function save(event) {
  event.preventDefault();
  const button = one("button[type=submit]", editor);
  const state = one("#state");
  button.disabled = true;
  state.textContent = say.saving;
  try {
    const answer = await post(start.urls.save, { revision, base: JSON.stringify(base) });
    if (answer.redirected) { state.textContent = say.logged_out; return; }
    const said = await answer.json();
    state.textContent = "";
    if (answer.ok) { clean = JSON.stringify(ruleTyped()); window.location.assign(said.url); return; }
    if (said.parts) { compare(said); return; }
    const problems = said.problems || [{ field: "", text: said.message }];
    showProblems(problems);
    summarise(problems);
  } catch {
    state.textContent = say.offline;
  } finally {
    button.disabled = false;
  }
}

function compare(said) {
  const panel = one("#merge");
  one("[data-part=text]", panel).textContent = said.text;
  const rows = said.parts.map((part) => {
    const row = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    head.append(part.label, Object.assign(document.createElement("small"), { textContent: { them: say.by_them, you: say.by_you, both: say.by_both }[part.changed_by] }));
    row.append(head, ...["theirs", "yours"].map((whose) => choice(part, whose)));
    return row;
  });
  one("tbody", panel).replaceChildren(...rows);
  Object.entries(said.names).forEach(([list, names]) => { start.names[list] = { ...start.names[list], ...names }; });
  one("[data-merge]", panel).onclick = () => merge(said);
  panel.hidden = false;
  panel.focus();
  panel.scrollIntoView({ block: "start" });
}

function choice(part, whose) {
  const cell = document.createElement("td");
  const label = document.createElement("label");
  const radio = Object.assign(document.createElement("input"), { type: "radio", name: `merge-${part.key}`, value: whose });
  radio.checked = whose === (part.changed_by === "them" ? "theirs" : "yours");
  label.append(radio, Object.assign(document.createElement("span"), { textContent: `${say[whose]}: ${part[whose] || "—"}` }));
  cell.append(label);
  return cell;
}

function merge(said) {
  const rule = ruleTyped();
  said.parts.forEach(({ key }) => {
    if (one(`[name=merge-${key}]:checked`).value === "theirs") rule[key] = said.theirs[key];
  });
  base = said.theirs;
  revision = said.revision;
  fill(rule);
  one("#merge").hidden = true;
  one("#merge tbody").replaceChildren();
  typed();
  one("button[type=submit]", editor).focus();
}

// -- beginning -----------------------------------------------------------------------------
all("#lead-filter .picker").forEach((box) => {
  filters.set(box.dataset.kind, new Picker(box, start.urls.find, start.names, say, typed));
});
fill(start.rule);
clean = JSON.stringify(ruleTyped());
one("[data-add]").addEventListener("click", () => {
  const card = conditionCard(start.first);
  one("#conditions").append(card);
  number();
  one("[data-field=window_days]", card).focus();
  typed();
});
const notSearch = (event) => !event.target.classList.contains("picker-find");
editor.addEventListener("input", (event) => {
  event.target.dataset.touched = "yes";
  if (notSearch(event)) typed();
});
editor.addEventListener("change", (event) => { if (notSearch(event)) typed(); });
editor.addEventListener("submit", save);
window.addEventListener("beforeunload", (event) => { if (changed()) event.preventDefault(); });
sayMeaning();
