// A box to choose several things from the server by typing: a combobox with its choices as chips.
"use strict";

class Picker {
  // changed is called after every choice; names says what chosen values are called, {list: {value: text}}.
  constructor(box, url, names, words, changed) {
    Object.assign(this, { box, url, names, words, changed, at: -1, asked: 0, waiting: 0 });
    this.lists = box.dataset.lists.split(" ");
    this.chosen = Object.fromEntries(this.lists.map((list) => [list, []]));
    this.input = one(".picker-find", box);
    this.found = one(".picker-found", box);
    this.input.addEventListener("input", () => this.ask(150));
    this.input.addEventListener("focus", () => this.ask(0));
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.input.addEventListener("blur", () => window.setTimeout(() => this.close(), 150));
    this.found.addEventListener("mousedown", (event) => event.preventDefault());
    this.found.addEventListener("click", (event) => this.pick(event.target.closest("[role=option]")));
    one(".picked-box", box).addEventListener("click", (event) => {
      if (event.target.classList.contains("picked-box")) this.input.focus();
    });
  }

  ask(pause) {
    window.clearTimeout(this.waiting);
    this.waiting = window.setTimeout(() => this.search(), pause);
  }

  async search() {
    const mine = ++this.asked;
    const address = `${this.url}?kind=${this.box.dataset.kind}&q=${encodeURIComponent(this.input.value)}`;
    let answer = null;
    try { answer = await fetch(address, { headers: { Accept: "application/json" } }); } catch { return; }
    if (!answer.ok || mine !== this.asked || document.activeElement !== this.input) return;
    this.show((await answer.json()).groups);
  }

  show(groups) {
    this.options = [];
    const parts = groups.flatMap((group) => {
      const open = group.items.filter((item) => !this.chosen[item.list].includes(item.value));
      if (!open.length) return [];
      const head = document.createElement("p");
      head.className = "picker-group";
      head.setAttribute("role", "presentation");
      head.textContent = group.label;
      return [head, ...open.map((item) => this.option(item))];
    });
    if (!parts.length) {
      const nothing = document.createElement("p");
      nothing.className = "picker-group";
      nothing.setAttribute("role", "presentation");
      nothing.textContent = this.words.none;
      parts.push(nothing);
    }
    this.found.replaceChildren(...parts);
    this.found.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    this.mark(-1);
  }

  option(item) {
    const line = document.createElement("div");
    line.setAttribute("role", "option");
    line.id = `${this.input.id}-${this.options.length}`;
    line.append(item.text);
    if (item.hint) {
      const hint = document.createElement("small");
      hint.textContent = item.hint;
      line.append(hint);
    }
    line.item = item;
    this.options.push(line);
    return line;
  }

  mark(at) {
    this.at = at;
    (this.options || []).forEach((line, place) => line.setAttribute("aria-selected", String(place === at)));
    const line = this.options && this.options[at];
    if (line) { line.scrollIntoView({ block: "nearest" }); this.input.setAttribute("aria-activedescendant", line.id); }
    else this.input.removeAttribute("aria-activedescendant");
  }

  key(event) {
    const open = !this.found.hidden;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!open) { this.ask(0); return; }
      const step = event.key === "ArrowDown" ? 1 : -1;
      this.mark((this.at + step + this.options.length) % Math.max(this.options.length, 1));
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (open) this.pick(this.options[this.at] || (this.input.value ? this.options[0] : null));
    } else if (event.key === "Escape" && open) {
      event.stopPropagation();
      this.close();
    } else if (event.key === "Backspace" && !this.input.value) {
      const list = this.lists.findLast((name) => this.chosen[name].length);
      if (list) this.remove(list, this.chosen[list].at(-1));
    }
  }

  pick(line) {
    if (!line) return;
    const { list, value, text } = line.item;
    (this.names[list] ||= {})[value] = text;
    this.chosen[list].push(value);
    this.input.value = "";
    this.draw();
    this.changed();
    this.ask(0);
  }

  remove(list, value) {
    this.chosen[list] = this.chosen[list].filter((each) => each !== value);
    this.draw();
    this.changed();
    this.input.focus();
  }

  close() {
    this.asked += 1;
    this.found.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  get values() { return this.chosen; }

  set values(given) {
    this.lists.forEach((list) => { this.chosen[list] = [...(given[list] || [])]; });
    this.draw();
  }

  draw() {
    const chips = this.lists.flatMap((list) => this.chosen[list].map((value) => {
      const chip = document.createElement("li");
      const text = (this.names[list] || {})[value] || value;
      chip.className = `chip chip-${list}`;
      chip.append(text);
      const away = document.createElement("button");
      away.type = "button";
      away.textContent = "×";
      away.setAttribute("aria-label", this.words.remove.replace("{name}", text));
      away.addEventListener("click", () => this.remove(list, value));
      chip.append(away);
      return chip;
    }));
    one(".picked", this.box).replaceChildren(...chips);
  }
}
