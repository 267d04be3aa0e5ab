// The week grid of a schedule, painted by mouse, touch and keyboard.
import { all, filled, one, target } from "./dom.js";

/**
 * @typedef {[row: number, column: number]} Place
 * @typedef {Record<string, string>} Week 24 letters a day
 * @typedef {object} Words
 * @property {Record<string, [letter: string, word: string]>} levels
 * @property {Record<string, string>} days
 * @property {string} cell
 * @property {string} painted
 * @property {string} copied
 */

export const WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/** @type {Record<string, string>} */
const LEVEL_KEYS = { h: "H", m: "M", l: "L", s: "S", 1: "H", 2: "M", 3: "L", 4: "S" };
/** @type {Record<string, Place>} */
const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/** The cells of the rectangle between two cells. @param {Place} one @param {Place} other @returns {Place[]} */
export function block([r1, c1], [r2, c2]) {
  /** @type {Place[]} */
  const found = [];
  for (let r = Math.min(r1, r2); r <= Math.max(r1, r2); r += 1) {
    for (let c = Math.min(c1, c2); c <= Math.max(c1, c2); c += 1) found.push([r, c]);
  }
  return found;
}

/** @param {HTMLElement} element @returns {Place} */
const placeOf = (element) => [Number(element.dataset.row), Number(element.dataset.column)];

/** A read-only week grid. */
export class WeekGrid {
  /** @param {HTMLElement} grid @param {Words} words */
  constructor(grid, words) {
    this.grid = grid;
    this.words = words;
    this.rows = WEEKDAYS.map(() => Array(24).fill("H"));
  }

  /** The element at a place; −1 is the head of a row or column. @param {Place} place */
  at([row, column]) {
    return one(`[data-row="${row}"][data-column="${column}"]`, this.grid);
  }

  /** @param {number} row @param {number} column */
  draw(row, column) {
    const level = this.rows[row][column];
    const [letter, word] = this.words.levels[level];
    const cell = this.at([row, column]);
    cell.className = `cell level-${level}`;
    cell.textContent = letter;
    const day = this.words.days[WEEKDAYS[row]];
    cell.setAttribute("aria-label", filled(this.words.cell, { day, start: column, end: column + 1, level: word }));
  }

  /** @param {Week} week */
  show(week) {
    for (const [row, day] of WEEKDAYS.entries()) this.rows[row] = [...(week[day] || "H".repeat(24))];
    this.drawAll();
  }

  drawAll() {
    for (const [row, levels] of this.rows.entries()) levels.forEach((_level, column) => void this.draw(row, column));
  }
}

/** An editable week grid. */
export class PaintedGrid extends WeekGrid {
  /** @type {Week[]} */
  past = [];
  /** @type {Place} */
  anchor = [0, 0];
  /** @type {Place} */
  here = [0, 0];
  /** @type {Place[]} */
  picked = [];
  /** @type {Place | null} */
  dragged = null;

  /**
   * @param {HTMLElement} grid
   * @param {Words} words
   * @param {{brush: () => string, say: (text: string) => void, changed: (depth: number) => void}} editor
   *   `changed` is called after every stroke with the number of strokes that can be undone
   */
  constructor(grid, words, editor) {
    super(grid, words);
    this.editor = editor;
    this.at([0, 0]).tabIndex = 0;
    grid.addEventListener("keydown", (event) => this.pressed(event));
    grid.addEventListener("focusin", (event) => this.focused(target(event)));
    for (const name of all("button.week-name", grid)) {
      name.addEventListener("click", () => this.paintHead(...placeOf(name)));
    }
    grid.addEventListener("pointerdown", (event) => this.startDrag(event));
    grid.addEventListener("pointermove", (event) => this.drag(event));
    grid.addEventListener("pointerup", () => this.endDrag());
    grid.addEventListener("pointercancel", () => {
      this.dragged = null;
      this.pick([]);
    });
  }

  /** @returns {Week} */
  get week() {
    return Object.fromEntries(WEEKDAYS.map((day, row) => [day, this.rows[row].join("")]));
  }

  /** Show a week and forget the strokes that could be undone. @param {Week} week */
  start(week) {
    this.past.length = 0;
    this.show(week);
  }

  /** @param {() => void} change */
  stroke(change) {
    this.past.push(this.week);
    change();
    this.drawAll();
    this.editor.changed(this.past.length);
  }

  /** @param {Week} week */
  paintWeek(week) {
    this.stroke(() => this.show(week));
  }

  /** @param {Place[]} cells @param {string} level */
  paint(cells, level) {
    this.stroke(() => {
      for (const [row, column] of cells) this.rows[row][column] = level;
    });
    this.editor.say(filled(this.words.painted, { n: cells.length, level: this.words.levels[level][1] }));
  }

  /** @param {number} row @param {number} column */
  paintHead(row, column) {
    /** @type {Place} */
    const last = [row < 0 ? 6 : row, column < 0 ? 23 : column];
    this.paint(block([Math.max(row, 0), Math.max(column, 0)], last), this.editor.brush());
  }

  /** @param {string} from @param {string[]} to */
  copy(from, to) {
    this.stroke(() => {
      for (const day of to) this.rows[WEEKDAYS.indexOf(day)] = [...this.rows[WEEKDAYS.indexOf(from)]];
    });
    this.editor.say(filled(this.words.copied, { day: this.words.days[from] }));
  }

  undo() {
    const last = this.past.pop();
    if (!last) return;
    this.show(last);
    this.editor.changed(this.past.length);
  }

  /** @param {Place[]} cells */
  pick(cells) {
    for (const place of this.picked) {
      this.at(place).classList.remove("chosen");
      this.at(place).removeAttribute("aria-selected");
    }
    this.picked = cells;
    for (const place of cells) {
      this.at(place).classList.add("chosen");
      this.at(place).setAttribute("aria-selected", "true");
    }
  }

  /** @param {number} row @param {number} column @param {boolean} extend */
  goTo(row, column, extend) {
    const least = extend ? 0 : -1;
    this.at(this.here).tabIndex = -1;
    this.here = [Math.min(Math.max(row, least), 6), Math.min(Math.max(column, least), 23)];
    this.at(this.here).tabIndex = 0;
    this.at(this.here).focus();
    if (!extend) this.anchor = this.here;
    this.pick(extend ? block(this.anchor, this.here) : []);
  }

  /** @param {HTMLElement} element */
  focused(element) {
    if (!element.dataset.row) return;
    this.at(this.here).tabIndex = -1;
    this.here = placeOf(element);
    element.tabIndex = 0;
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    const onCell = target(event).classList.contains("cell");
    const modified = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    if (modified && key === "z") this.undo();
    else if (modified || event.altKey) return;
    else if (!this.moved(event, onCell) && !(onCell && this.painted(event.key, key))) return;
    event.preventDefault();
  }

  /** Handle a key that moves the focus or clears the selection. Returns whether it did. @param {KeyboardEvent} event @param {boolean} onCell */
  moved(event, onCell) {
    const [row, column] = this.here;
    const step = STEPS[event.key];
    if (step) this.goTo(row + step[0], column + step[1], event.shiftKey && onCell);
    else if (event.key === "Home") this.goTo(row, 0, false);
    else if (event.key === "End") this.goTo(row, 23, false);
    else if (event.key === "Escape" && this.picked.length) this.pick([]);
    else return false;
    return true;
  }

  /** Handle a key that paints. Returns whether it did. @param {string} pressed @param {string} key */
  painted(pressed, key) {
    const level = pressed === " " || pressed === "Enter" ? this.editor.brush() : LEVEL_KEYS[key];
    if (!level) return false;
    this.paint(this.picked.length ? this.picked : [this.here], level);
    return true;
  }

  /** @param {PointerEvent} event */
  startDrag(event) {
    /** @type {HTMLElement | null} */
    const found = target(event).closest(".cell");
    if (!found || event.button !== 0) return;
    event.preventDefault();
    this.grid.setPointerCapture(event.pointerId);
    if (!event.shiftKey) this.goTo(...placeOf(found), false);
    this.dragged = this.anchor;
    this.pick(block(this.anchor, placeOf(found)));
  }

  /** @param {PointerEvent} event */
  drag(event) {
    if (!this.dragged) return;
    /** @type {HTMLElement | null | undefined} */
    const under = document.elementFromPoint(event.clientX, event.clientY)?.closest(".cell");
    if (under && this.grid.contains(under)) this.pick(block(this.dragged, placeOf(under)));
  }

  endDrag() {
    if (!this.dragged) return;
    const cells = this.picked;
    this.dragged = null;
    this.pick([]);
    this.paint(cells, this.editor.brush());
  }
}
