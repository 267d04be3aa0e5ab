// Rows of tests: what is tested, how it is compared, with what. The hidden input holds them as JSON.
import { all, filled, make, maybe, one, target } from "./dom.js";

/**
 * @typedef {{what?: string, op?: string, value?: string, days?: number | null, filter?: object, said?: string}} Row
 * @typedef {HTMLInputElement | HTMLSelectElement} Control
 */

/** The fields that a row has. @param {string} kind @param {string} op */
export function fieldsOf(kind, op) {
  const event = kind === "event";
  return { op: kind !== "" && kind !== "count", value: kind !== "" && !event, days: hasDays(kind, op) };
}

/** @param {string} kind @param {string} op */
function hasDays(kind, op) {
  return ["event", "count", "metric"].includes(kind) || op === "fell_by";
}

/** @param {HTMLElement} row @param {string} part @returns {Control} */
const part = (row, part) => one(`[data-part=${part}]`, row);

export class FilterRows {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    /** @type {HTMLInputElement} */
    this.input = one("input[type=hidden]", root);
    this.list = one("[data-rows]", root);
    /** @type {Record<string, [string, string][]>} */
    this.ops = JSON.parse(root.dataset.ops ?? "{}");
    /** @type {Record<string, string>} */
    this.words = JSON.parse(root.dataset.words ?? "{}");
    this.rows = JSON.parse(this.input.value || "[]");
    for (const kind of ["input", "change"]) root.addEventListener(kind, (event) => this.typed(event));
    one("[data-add-row]", root).addEventListener("click", () => this.add());
  }

  /** @returns {Row[]} */
  get rows() {
    return all(".test-row", this.list).map(read);
  }

  set rows(rows) {
    this.list.replaceChildren(...rows.map((row) => this.made(row)));
    this.store();
  }

  add() {
    const row = this.made({});
    this.list.append(row);
    this.changed();
    part(row, "what").focus();
  }

  /** @param {Row} row */
  made(row) {
    /** @type {HTMLTemplateElement} */
    const template = one("template", this.root);
    const copy = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
    const made = /** @type {HTMLElement} */ (copy.firstElementChild);
    if (row.filter) keep(made, row);
    else this.fill(made, row);
    one("[data-remove-row]", made).addEventListener("click", () => this.remove(made));
    return made;
  }

  /** @param {HTMLElement} made @param {Row} row */
  fill(made, row) {
    const what = part(made, "what");
    if (row.what && !maybe(`option[value="${CSS.escape(row.what)}"]`, what)) {
      // What was deleted since, or may not be tested any more.
      what.append(make("option", { value: row.what, textContent: row.what.replace(/^\w+:/, "") }));
    }
    what.value = row.what ?? "";
    this.offer(made, row.op);
    part(made, "value").value = row.value ?? "";
    part(made, "days").value = row.days ? String(row.days) : "";
  }

  /** Offer what fits the subject of a row. @param {HTMLElement} row @param {string} [op] */
  offer(row, op) {
    const subject = /** @type {HTMLSelectElement} */ (part(row, "what")).selectedOptions[0];
    const ops = this.ops[subject?.dataset.kind ?? ""] ?? [];
    const wanted = ops.find(([code]) => code === op) ? op : ops[0]?.[0];
    const choices = ops.map(([value, textContent]) => make("option", { value, textContent }));
    part(row, "op").replaceChildren(...choices);
    part(row, "op").value = wanted ?? "";
    this.show(row);
  }

  /** Show the fields that a row has, with their units. @param {HTMLElement} row */
  show(row) {
    const {
      kind = "",
      unit = "",
      list = "",
    } = /** @type {HTMLSelectElement} */ (part(row, "what")).selectedOptions[0].dataset;
    const op = part(row, "op").value;
    const shown = fieldsOf(kind, op);
    part(row, "op").hidden = !shown.op;
    for (const [name, is] of Object.entries({ value: shown.value, days: shown.days })) {
      /** @type {HTMLElement} */ (part(row, name).parentElement).hidden = !is;
    }
    const value = part(row, "value");
    value.setAttribute("list", list);
    value.setAttribute(
      "placeholder",
      op === "in" ? this.words.several : kind === "date" && op !== "within_days" ? "2027-01-31" : "",
    );
    const units = /** @type {Record<string, string>} */ ({ fell_by: "%", within_days: this.words.days });
    one("[data-unit]", row.querySelector(".with-unit") ?? row).textContent = units[op] ?? unit;
    one("[data-days]", row).textContent = op === "fell_by" ? this.words.before : this.words.days;
  }

  /** @param {HTMLElement} row */
  remove(row) {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    (next ? one("[data-remove-row]", /** @type {HTMLElement} */ (next)) : one("[data-add-row]", this.root)).focus();
    this.changed();
  }

  /** @param {Event} event */
  typed(event) {
    const row = /** @type {HTMLElement | null} */ (target(event).closest(".test-row"));
    if (row && target(event).dataset.part === "what") this.offer(row, part(row, "op").value);
    if (row && target(event).dataset.part === "op") this.show(row);
    this.store();
  }

  store() {
    for (const [place, row] of all(".test-row", this.list).entries()) {
      row.setAttribute("aria-label", filled(this.words.row, { n: place + 1 }));
    }
    this.input.value = JSON.stringify(this.rows);
  }

  changed() {
    this.store();
    this.input.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

/** Show a part that has no fields. @param {HTMLElement} made @param {Row} row */
function keep(made, row) {
  made.dataset.kept = JSON.stringify({ filter: row.filter, said: row.said });
  const said = one("[data-said]", made);
  said.hidden = false;
  said.textContent = row.said ?? "";
  for (const control of all("[data-part]", made)) (control.closest(".with-unit") ?? control).remove();
}

/** @param {HTMLElement} row @returns {Row} */
function read(row) {
  if (row.dataset.kept) return JSON.parse(row.dataset.kept);
  const days = part(row, "days").value;
  return {
    what: part(row, "what").value,
    op: part(row, "op").value,
    value: part(row, "value").value,
    days: days === "" ? null : Number(days),
  };
}
