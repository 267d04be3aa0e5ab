// A band of 24 hours, painted by dragging, by arrow keys with Shift, or set by two lists.
"use strict";

class Hours {
  constructor(group, words, changed) {
    Object.assign(this, { group, words, changed, from: 0, to: 24, anchor: 0 });
    this.band = one("[data-band]", group);
    this.cells = all("[data-hour]", this.band);
    this.cells[0].tabIndex = 0;
    this.lists = [one("[data-from]", group), one("[data-to]", group)];
    this.lists.forEach((list) => list.addEventListener("change", () => {
      this.set(Number(this.lists[0].value), Number(this.lists[1].value));
    }));
    all("[data-hours]", group).forEach((button) => button.addEventListener("click", () => {
      this.set(...button.dataset.hours.split(" ").map(Number));
    }));
    this.band.addEventListener("pointerdown", (event) => this.press(event));
    this.band.addEventListener("keydown", (event) => this.key(event));
  }

  press(event) {
    const hour = this.hourAt(event);
    if (hour === null) return;
    event.preventDefault();
    this.anchor = hour;
    this.focus(hour);
    this.paint(hour);
    const move = (moved) => { const at = this.hourAt(moved); if (at !== null) this.paint(at); };
    document.addEventListener("pointermove", move);
    document.addEventListener("pointerup", () => document.removeEventListener("pointermove", move), { once: true });
  }

  hourAt(event) {
    const box = this.band.getBoundingClientRect();
    const hour = Math.floor((event.clientX - box.left) / box.width * 24);
    return hour >= 0 && hour < 24 ? hour : null;
  }

  key(event) {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    const hour = Number(event.target.dataset.hour);
    if (step) {
      event.preventDefault();
      const next = (hour + step + 24) % 24;
      this.focus(next);
      // Past the edge of the day one goes on painting: from 22 over midnight to 3.
      if (event.shiftKey) this.set(this.anchor, (next + 1) % 24 || 24);
      else this.anchor = next;
    } else if (event.key === " " || event.key === "Enter") {
      event.preventDefault();
      this.anchor = hour;
      this.paint(hour);
    }
  }

  focus(hour) {
    this.cells.forEach((cell, place) => { cell.tabIndex = place === hour ? 0 : -1; });
    this.cells[hour].focus();
  }

  paint(hour) { this.set(Math.min(this.anchor, hour), Math.max(this.anchor, hour) + 1); }

  set(from, to) { this.values = [from, to]; this.changed(); }

  get values() { return [this.from, this.to]; }

  set values([from, to]) {
    // 20 to 0 and 20 to 24 are the same hours; the lists know 24 only.
    [this.from, this.to] = [from, to === 0 ? 24 : to];
    const inside = (hour) => (this.from < this.to ? hour >= this.from && hour < this.to : hour >= this.from || hour < this.to);
    this.cells.forEach((cell, hour) => cell.setAttribute("aria-pressed", String(inside(hour))));
    this.lists[0].value = this.from;
    this.lists[1].value = this.to;
    const clock = (hour) => `${String(hour).padStart(2, "0")}:00`;
    const whole = this.from === 0 && this.to === 24;
    const next = this.from >= this.to ? ` ${this.words.day}` : "";
    one("[data-said]", this.group).textContent = whole ? this.words.whole_day : `${clock(this.from)} – ${clock(this.to)}${next}`;
  }
}
