// The journey editor: steps as a list, drawn beside it; the server says in words what was typed, and its problems.
import { all, filled, make, maybe, one, target } from "./dom.js";
import { FilterRows } from "./filter_rows.js";
import { Card } from "./journey_card.js";
import { Drawing } from "./journey_drawing.js";
import { freeId, insert, insertOn, kindOf, madeStep, moveUp, remove, waysOf } from "./journey_steps.js";
import { Picker } from "./picker.js";
import { post } from "./posting.js";

/**
 * @typedef {import("./journey_steps.js").Step} Step
 * @typedef {import("./journey_card.js").Problem} Problem
 * @typedef {import("./journey_card.js").Told} Told
 * @typedef {HTMLInputElement | HTMLSelectElement} Control
 * @typedef {Record<string, any>} Journey
 * @typedef {{text: string, seen: string, theirs: Journey, changes: [string, string, string][]}} Conflict
 */

const MOST = 100;
const editor = one("#journey-editor");
const start = JSON.parse(editor.dataset.start ?? "");
const say = JSON.parse(editor.dataset.words ?? "");
const kinds = Object.fromEntries(JSON.parse(editor.dataset.kinds ?? ""));
const list = one("#steps");
/** @type {HTMLButtonElement} */
const saveButton = one("button[type=submit]", editor);
/** @type {Step[]} */
let steps = [];
/** @type {Map<string, Card>} */
const cards = new Map();
/** @type {Record<string, Told>} */
let told = {};
/** @type {Problem[]} */
let problems = [];
/** @type {Set<string>} */
const taken = new Set(start.taken);
let { seen } = start;
let clean = "";
let pausing = 0;
/** @type {AbortController | null} */
let saying = null;

/** @param {string} id @returns {any} */
const field = (id) => one(`#${id}`, editor);
/** @param {string} id */
const whole = (id) => (field(id).value === "" ? null : Number(field(id).value));

// -- who enters, how often, and the goal ----------------------------------------------------
/** @param {string} id */
const picker = (id) =>
  new Picker(/** @type {HTMLElement} */ (field(id).closest(".picker")), start.urls.find, start.names, say, () =>
    typed(),
  );
const rules = picker("p-rules");
const bought = picker("p-bought");
const goal = picker("p-goal");
const facts = new FilterRows(one("#fact-tests .test-rows", editor));

function trigger() {
  const on = field("f-on").value;
  const grades = /** @type {HTMLInputElement[]} */ (all("[data-grade]", editor)).filter((box) => box.checked);
  const products = bought.values.products;
  return {
    hit: { on, rules: rules.values.rules, grades: grades.map((box) => box.value) },
    segment: { on, segment: field("f-segment").value },
    fact: { on, rows: facts.rows },
    date: { on, fact: field("f-date").value, days: signed() },
    outcome: products.length ? { on, products } : { on, outcome: "any" },
  }[/** @type {string} */ (on)];
}

function signed() {
  const days = whole("f-days");
  return days === null ? null : days * Number(field("f-side").value) || 0;
}

/** @returns {Journey} */
function currentJourney() {
  const aim = field("f-goal").value;
  return {
    code: field("f-code").value,
    name: field("f-name").value,
    trigger: trigger(),
    reentry: field("f-again").value === "never" ? "never" : { after_days: whole("f-after") },
    ...(aim === "any" ? { goal: { outcome: "any" } } : {}),
    ...(aim === "products" ? { goal: { products: goal.values.products } } : {}),
    ...pacing(),
    steps,
  };
}

const LIMITS = ["sms", "call", "calls_per_marketer"];

/** @returns {{ pacing?: Record<string, number> }} */
function pacing() {
  const limits = LIMITS.map((name) => [name, whole(`f-pacing-${name}`)]).filter(([, most]) => most !== null);
  return limits.length ? { pacing: Object.fromEntries(limits) } : {};
}

/** @param {Journey} journey */
function fill(journey) {
  const { trigger: from, reentry = "never", goal: aim } = journey;
  field("f-code").value = journey.code;
  field("f-name").value = journey.name;
  field("f-on").value = from.on;
  rules.values = { rules: from.on === "hit" ? (from.rules ?? []) : [] };
  for (const box of /** @type {HTMLInputElement[]} */ (all("[data-grade]", editor))) {
    box.checked = (from.grades ?? []).includes(box.value);
  }
  offer("f-segment", from.segment);
  offer("f-date", from.on === "date" ? from.fact : "");
  field("f-days").value = String(Math.abs(from.days ?? 0));
  field("f-side").value = (from.days ?? 0) > 0 ? "1" : "-1";
  facts.rows = from.rows ?? [{}];
  bought.values = { products: from.on === "outcome" ? (from.products ?? []) : [] };
  field("f-again").value = reentry === "never" ? "never" : "after";
  field("f-after").value = String(reentry.after_days ?? 30);
  field("f-goal").value = !aim ? "none" : aim.outcome ? "any" : "products";
  goal.values = { products: aim?.products ?? [] };
  for (const name of LIMITS) field(`f-pacing-${name}`).value = String(journey.pacing?.[name] ?? "");
  steps = structuredClone(journey.steps);
  cards.clear();
  showHead();
  showSteps();
}

/** Choose a value, which may no longer be among the choices. @param {string} id @param {string} [value] */
function offer(id, value = "") {
  const select = field(id);
  if (value && !maybe(`option[value="${CSS.escape(value)}"]`, select)) {
    select.append(make("option", { value, textContent: value }));
  }
  select.value = value;
}

/** Show the fields that belong to what was chosen. */
function showHead() {
  for (const part of all("[data-on]", editor)) part.hidden = part.dataset.on !== field("f-on").value;
  one("[data-again]", editor).hidden = field("f-again").value === "never";
  one("[data-goal]", editor).hidden = field("f-goal").value !== "products";
}

// -- steps ----------------------------------------------------------------------------------
/** @type {import("./journey_card.js").Editor} */
const shared = {
  words: say,
  kinds,
  texts: start.texts,
  tables: start.tables,
  names: start.names,
  find: start.urls.find,
  steps: () => steps,
  told: (id) => told[id],
  typed,
  act,
  add,
};

/** @param {Step} step */
function cardOf(step) {
  const known = cards.get(step.id);
  if (known?.step === step) return known;
  const card = new Card(step, shared);
  cards.set(step.id, card);
  return card;
}

/** Show the list as the steps are now. */
function showSteps() {
  const shown = steps.map(cardOf);
  list.replaceChildren(...shown.map(({ root }) => root));
  showLines();
}

function showLines() {
  const numbers = new Map(steps.map(({ id }, place) => [id, place + 1]));
  for (const [place, step] of steps.entries()) {
    const card = cardOf(step);
    card.showLine(place, numbers, steps.length);
    card.showProblems(problems.filter((each) => each.step === step.id));
  }
}

/** @param {Card} card @param {string} action */
function act(card, action) {
  const place = steps.indexOf(card.step);
  if (action === "up") moveUp(steps, place);
  if (action === "down") moveUp(steps, place + 1);
  if (action === "remove") return removed(card, place);
  if (action !== "up" && action !== "down") return;
  showSteps();
  const button = /** @type {HTMLButtonElement} */ (one(`[data-action=${action}]`, card.root));
  (button.disabled ? one("[data-action]:not([disabled])", card.root) : button).focus();
  typed();
}

/** @param {Card} card @param {number} place */
function removed(card, place) {
  const before = structuredClone(steps);
  remove(steps, place);
  showSteps();
  const next = steps[place] ?? steps[place - 1];
  if (next) cardOf(next).button.focus();
  const undo = make("button", { type: "button", className: "word", textContent: say.back });
  const line = one("#removed", editor);
  undo.addEventListener("click", () => {
    steps = before;
    cards.clear();
    line.replaceChildren();
    showSteps();
    cardOf(steps[place]).button.focus();
    typed();
  });
  line.replaceChildren(filled(say.removed, { n: place + 1 }), " ", undo);
  cards.delete(card.step.id);
  typed();
}

/** @param {Card} card @param {string} kind @param {import("./journey_steps.js").Way} [way] */
function add(card, kind, way) {
  if (steps.length >= MOST) {
    one("#removed", editor).textContent = say.full;
    return;
  }
  const id = freeId(kind, new Set([...taken, ...steps.map((step) => step.id)]));
  taken.add(id);
  const step = madeStep(kind, id, "");
  const place = steps.indexOf(card.step);
  if (way) insertOn(steps, place, way, step);
  else insert(steps, place, step);
  showSteps();
  cardOf(step).focus();
  typed();
}

// -- drawing --------------------------------------------------------------------------------
const drawing = new Drawing(one(".drawing", editor), (id) => {
  const card = cards.get(id);
  card?.focus();
  card?.root.scrollIntoView({ block: "center" });
});

function draw() {
  const bad = new Set(problems.map(({ step }) => step));
  drawing.draw({
    nodes: steps.map((step, place) => ({
      id: step.id,
      number: place + 1,
      kind: kindOf(step),
      word: kinds[kindOf(step)],
      text: told[step.id]?.text ?? say.unfinished,
      numbers: [],
      bad: bad.has(step.id),
    })),
    edges: steps.flatMap((step) =>
      waysOf(step).map(({ to }, place) => ({ from: step.id, to, text: told[step.id]?.ways[place] ?? "" })),
    ),
  });
}

// -- meaning and problems -------------------------------------------------------------------
/** @param {{quietly?: boolean}} [how] */
function showProblems({ quietly = false } = {}) {
  for (const line of all("[data-problem]", editor)) {
    if (line.closest("#steps")) continue;
    line.hidden = true;
    line.textContent = "";
    headControl(line)?.removeAttribute("aria-invalid");
  }
  for (const problem of problems.filter(({ step }) => step === null)) {
    const line = headLine(problem);
    const control = headControl(line);
    if (quietly && control?.dataset.head && !control.dataset.touched) continue;
    line.textContent = line.textContent ? `${line.textContent} ${problem.text}` : problem.text;
    line.hidden = false;
    line.id ||= `problem-${line.dataset.problem}`;
    control?.setAttribute("aria-invalid", "true");
    control?.setAttribute("aria-describedby", line.id);
  }
  showLines();
}

/** The line that shows a problem of the journey itself. @param {Problem} problem */
const headLine = ({ field: name }) =>
  maybe(`:scope [data-problem="${name || "trigger"}"]`, editor) ?? one("[data-problem=steps]", editor);

/** @param {HTMLElement} line @returns {HTMLElement | null} */
const headControl = (line) =>
  line.dataset.problem === "trigger"
    ? field("f-on")
    : maybe("select, input:not([type=hidden])", line.closest(".field") ?? line);

function showSummary() {
  const box = one("#summary", editor);
  box.hidden = problems.length === 0;
  if (box.hidden) return;
  const items = problems.map((problem) => make("li", {}, summaryOf(problem)));
  box.replaceChildren(make("strong", { textContent: say.unsound }), make("ul", {}, ...items));
  box.focus();
}

/** A problem as a link to its field. @param {Problem} problem */
function summaryOf(problem) {
  const card = problem.step === null ? undefined : cards.get(problem.step);
  const place = steps.findIndex(({ id }) => id === problem.step);
  const where = card ? `${filled(say.step, { n: place + 1 })} · ${card.labelOf(problem.field)}` : headLabel(problem);
  const link = make("a", { href: "#steps" }, `${where}${problem.text}`);
  link.addEventListener("click", (event) => {
    event.preventDefault();
    if (card) card.focus(problem.field);
    else (headControl(headLine(problem)) ?? field("f-on")).focus();
  });
  return link;
}

/** @param {Problem} problem */
function headLabel(problem) {
  const label = headControl(headLine(problem))?.closest(".field")?.querySelector("label");
  return label ? `${(label.firstChild?.textContent ?? "").trim()}: ` : "";
}

async function describe() {
  saying?.abort();
  saying = new AbortController();
  try {
    const answer = await post(editor, start.urls.wording, { journey: JSON.stringify(currentJourney()) }, saying.signal);
    if (!answer.ok) return;
    const found = await answer.json();
    told = found.steps;
    problems = found.problems;
    one("#meaning").textContent = found.sentence || say.incomplete;
    one("#meaning").classList.toggle("incomplete", !found.sentence);
    showProblems({ quietly: true });
    draw();
  } catch (error) {
    // Cancelled by a newer request, or the server restarts.
    if (!(error instanceof DOMException || error instanceof TypeError)) throw error;
  }
}

function typed() {
  showHead();
  showLines();
  window.clearTimeout(pausing);
  pausing = window.setTimeout(describe, 250);
}

// -- saving, and conflicting edits ----------------------------------------------------------
/** @param {SubmitEvent} [event] */
async function save(event) {
  event?.preventDefault();
  const state = one("#state");
  saveButton.disabled = true;
  state.textContent = say.saving;
  try {
    const answer = await post(editor, start.urls.save, { journey: JSON.stringify(currentJourney()), seen });
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
    clean = JSON.stringify(currentJourney());
    window.location.assign(result.url);
  } else if (result.theirs) {
    showConflict(result);
  } else {
    problems = result.problems ?? [{ step: null, field: "", text: result.message }];
    showProblems();
    showSummary();
  }
}

/** @param {Conflict} conflict */
function showConflict(conflict) {
  const panel = one("#merge");
  one("[data-part=text]", panel).textContent = conflict.text;
  const rows = conflict.changes.map(([what, theirs, yours]) =>
    make(
      "tr",
      {},
      make("th", { scope: "row", textContent: what }),
      make("td", { textContent: theirs || "—" }),
      make("td", { textContent: yours || "—" }),
    ),
  );
  one("tbody", panel).replaceChildren(...rows);
  one("[data-merge=mine]", panel).onclick = () => settle(conflict);
  one("[data-merge=theirs]", panel).onclick = () => {
    fill(conflict.theirs);
    settle(conflict);
  };
  panel.hidden = false;
  panel.focus();
  panel.scrollIntoView({ block: "start" });
}

/** @param {Conflict} conflict */
function settle(conflict) {
  seen = conflict.seen;
  one("#merge").hidden = true;
  typed();
  saveButton.focus();
}

// -- start ----------------------------------------------------------------------------------
/** @type {HTMLTemplateElement} */
const tests = one("#case-tests");
// Lists of choices have ids, so that there may be one of each only.
editor.append(...tests.content.querySelectorAll("datalist"));
fill(start.journey);
clean = start.chosen ? "" : JSON.stringify(currentJourney());
for (const kind of ["input", "change"]) {
  editor.addEventListener(kind, (event) => {
    if (kind === "input") target(event).dataset.touched = "yes";
    // Pickers report their changes themselves.
    if (!target(event).closest(".picker")) typed();
  });
}
editor.addEventListener("submit", save);
window.addEventListener("beforeunload", (event) => {
  if (JSON.stringify(currentJourney()) !== clean) event.preventDefault();
});
describe();
