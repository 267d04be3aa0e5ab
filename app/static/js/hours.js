// A band of 24 hours, set by dragging, by Shift and arrow keys, or by two lists.
import { all, one, target } from "./dom.js";

/** Whether an hour is in a range; one that starts later than it ends wraps midnight. @param {number} hour @param {number} from @param {number} to */
export const inside = (hour, from, to) => (from < to ? hour >= from && hour < to : hour >= from || hour < to);

/** The range in words. @param {number} from @param {number} to @param {{day: string, whole_day: string}} words */
export function hoursText(from, to, words) {
  if (from === 0 && to === 24) return words.whole_day;
  const clock = (/** @type {number} */ hour) => `${String(hour).padStart(2, "0")}:00`;
  return `${clock(from)} – ${clock(to)}${from >= to ? ` ${words.day}` : ""}`;
}

export class Hours {
  from = 0;
  to = 24;
  anchor = 0;

  /** @param {HTMLElement} group @param {{day: string, whole_day: string}} words @param {() => void} changed */
  constructor(group, words, changed) {
    this.group = group;
    this.words = words;
    this.changed = changed;
    this.band = one("[data-band]", group);
    this.cells = all("[data-hour]", this.band);
    this.cells[0].tabIndex = 0;
    /** @type {HTMLSelectElement[]} */
    this.lists = [one("[data-from]", group), one("[data-to]", group)];
    for (const list of this.lists) {
      list.addEventListener("change", () => this.set(Number(this.lists[0].value), Number(this.lists[1].value)));
    }
    for (const button of all("[data-hours]", group)) {
      const [from, to] = (button.dataset.hours ?? "").split(" ").map(Number);
      button.addEventListener("click", () => this.set(from, to));
    }
    this.band.addEventListener("pointerdown", (event) => this.press(event));
    this.band.addEventListener("keydown", (event) => this.key(event));
  }

  /** @param {PointerEvent} event */
  press(event) {
    const hour = this.hourAt(event);
    if (hour === null) return;
    event.preventDefault();
    this.anchor = hour;
    this.focus(hour);
    this.paint(hour);
    const move = (/** @type {PointerEvent} */ moved) => {
      const at = this.hourAt(moved);
      if (at !== null) this.paint(at);
    };
    document.addEventListener("pointermove", move);
    document.addEventListener("pointerup", () => document.removeEventListener("pointermove", move), { once: true });
  }

  /** @param {PointerEvent} event */
  hourAt(event) {
    const box = this.band.getBoundingClientRect();
    const hour = Math.floor(((event.clientX - box.left) / box.width) * 24);
    return hour >= 0 && hour < 24 ? hour : null;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    const hour = Number(target(event).dataset.hour);
    if (step) {
      event.preventDefault();
      const next = (hour + step + 24) % 24;
      this.focus(next);
      // Painting goes on past midnight, for example from 22 to 3.
      if (event.shiftKey) this.set(this.anchor, (next + 1) % 24 || 24);
      else this.anchor = next;
    } else if (event.key === " " || event.key === "Enter") {
      event.preventDefault();
      this.anchor = hour;
      this.paint(hour);
    }
  }

  /** @param {number} hour */
  focus(hour) {
    for (const [place, cell] of this.cells.entries()) cell.tabIndex = place === hour ? 0 : -1;
    this.cells[hour].focus();
  }

  /** @param {number} hour */
  paint(hour) {
    this.set(Math.min(this.anchor, hour), Math.max(this.anchor, hour) + 1);
  }

  /** @param {number} from @param {number} to */
  set(from, to) {
    this.values = [from, to];
    this.changed();
  }

  get values() {
    return [this.from, this.to];
  }

  set values([from, to]) {
    // 20 to 0 and 20 to 24 are the same hours; the lists only have 24.
    [this.from, this.to] = [from, to === 0 ? 24 : to];
    for (const [hour, cell] of this.cells.entries()) {
      cell.setAttribute("aria-pressed", String(inside(hour, this.from, this.to)));
    }
    this.lists[0].value = String(this.from);
    this.lists[1].value = String(this.to);
    one("[data-said]", this.group).textContent = hoursText(this.from, this.to, this.words);
  }
}
