// The week grid of a schedule, painted by mouse, touch and keyboard, and the preview of what it does.
"use strict";

const WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const LEVEL_KEYS = { h: "H", m: "M", l: "L", s: "S", 1: "H", 2: "M", 3: "L", 4: "S" };

// -- the grid: `state` is {mon: "HHSS…"}; `changed` is told after every stroke of a person ---------------
function weekGrid(grid, words, { brush = null, say = () => {}, changed = () => {} } = {}) {
  const rows = WEEKDAYS.map(() => Array(24).fill("H"));
  const past = [];
  const painting = brush !== null;
  const cell = (row, column) => one(`.cell[data-row="${row}"][data-column="${column}"]`, grid);
  const stop = (row, column) => one(`[data-row="${row}"][data-column="${column}"]`, grid);
  let anchor = [0, 0];
  let here = [0, 0];
  let picked = [];

  const draw = (row, column) => {
    const [letter, word] = words.levels[rows[row][column]];
    const drawn = cell(row, column);
    drawn.className = `cell level-${rows[row][column]}`;
    drawn.textContent = letter;
    drawn.setAttribute("aria-label", words.cell.replace("{day}", words.days[WEEKDAYS[row]])
      .replace("{start}", column).replace("{end}", column + 1).replace("{level}", word));
  };
  const drawAll = () => rows.forEach((row, r) => row.forEach((_level, c) => draw(r, c)));
  const state = () => Object.fromEntries(WEEKDAYS.map((day, r) => [day, rows[r].join("")]));
  const set = (found) => WEEKDAYS.forEach((day, r) => { rows[r] = [...(found[day] || "H".repeat(24))]; });

  const pick = (cells) => {
    picked.forEach(([r, c]) => { cell(r, c).classList.remove("chosen"); cell(r, c).removeAttribute("aria-selected"); });
    picked = cells;
    picked.forEach(([r, c]) => { cell(r, c).classList.add("chosen"); cell(r, c).setAttribute("aria-selected", "true"); });
  };
  const block = ([r1, c1], [r2, c2]) => {
    const found = [];
    for (let r = Math.min(r1, r2); r <= Math.max(r1, r2); r += 1)
      for (let c = Math.min(c1, c2); c <= Math.max(c1, c2); c += 1) found.push([r, c]);
    return found;
  };
  const stroke = (change) => {
    past.push(state());
    change();
    drawAll();
    changed(past.length);
  };
  const paint = (cells, level) => {
    stroke(() => cells.forEach(([r, c]) => { rows[r][c] = level; }));
    say(words.painted.replace("{n}", cells.length).replace("{level}", words.levels[level][1]));
  };
  const paintHead = (row, column) => {
    const last = [row < 0 ? 6 : row, column < 0 ? 23 : column];
    paint(block([Math.max(row, 0), Math.max(column, 0)], last), brush());
  };
  const undo = () => {
    if (!past.length) return;
    set(past.pop());
    drawAll();
    changed(past.length);
  };

  const goTo = (row, column, extend) => {
    const least = extend ? 0 : -1;
    const next = [Math.min(Math.max(row, least), 6), Math.min(Math.max(column, least), 23)];
    stop(...here).tabIndex = -1;
    here = next;
    stop(...here).tabIndex = 0;
    stop(...here).focus();
    if (extend) pick(block(anchor, here));
    else { anchor = here; pick([]); }
  };
  const placeOf = (element) => [Number(element.dataset.row), Number(element.dataset.column)];

  function pressed(event) {
    const onCell = event.target.classList.contains("cell");
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const [row, column] = here;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") undo();
    else if (event.ctrlKey || event.metaKey || event.altKey) return;
    else if (event.key in steps) {
      const extend = event.shiftKey && onCell;
      goTo(row + steps[event.key][0], column + steps[event.key][1], extend);
    } else if (event.key === "Home") goTo(row, 0, false);
    else if (event.key === "End") goTo(row, 23, false);
    else if (event.key === "Escape" && picked.length) pick([]);
    else if (onCell && (event.key === " " || event.key === "Enter")) paint(picked.length ? picked : [here], brush());
    else if (onCell && event.key.toLowerCase() in LEVEL_KEYS)
      paint(picked.length ? picked : [here], LEVEL_KEYS[event.key.toLowerCase()]);
    else return;
    event.preventDefault();
  }

  function drag() {
    let from = null;
    const under = (event) => {
      const found = document.elementFromPoint(event.clientX, event.clientY)?.closest(".cell");
      return found && grid.contains(found) ? placeOf(found) : null;
    };
    grid.addEventListener("pointerdown", (event) => {
      const found = event.target.closest(".cell");
      if (!found || event.button !== 0) return;
      event.preventDefault();
      grid.setPointerCapture(event.pointerId);
      if (!event.shiftKey) goTo(...placeOf(found), false);
      from = anchor;
      pick(block(from, placeOf(found)));
    });
    grid.addEventListener("pointermove", (event) => {
      const to = from && under(event);
      if (to) pick(block(from, to));
    });
    grid.addEventListener("pointerup", () => {
      if (!from) return;
      const cells = picked;
      from = null;
      pick([]);
      paint(cells, brush());
    });
    grid.addEventListener("pointercancel", () => { from = null; pick([]); });
  }

  if (painting) {
    stop(0, 0).tabIndex = 0;
    grid.addEventListener("keydown", pressed);
    grid.addEventListener("focusin", (event) => {
      if (!event.target.dataset.row) return;
      stop(...here).tabIndex = -1;
      here = placeOf(event.target);
      event.target.tabIndex = 0;
    });
    all("button.week-name", grid).forEach((name) => name.addEventListener("click", () => paintHead(...placeOf(name))));
    drag();
  }
  return {
    state,
    undo,
    show: (found) => { set(found); past.length = 0; drawAll(); changed(0, true); },
    paintWeek: (found) => { stroke(() => set(found)); },
    copy: (from, to) => {
      stroke(() => to.forEach((day) => { rows[WEEKDAYS.indexOf(day)] = [...rows[WEEKDAYS.indexOf(from)]]; }));
      say(words.copied.replace("{day}", words.days[from]));
    },
  };
}

// -- the preview: asks the server what `definition()` does, as typed ------------------------------------
function weekPreview(panel, { url, token, words, definition, problems = () => {} }) {
  const part = (name) => one(`[data-part="${name}"]`, panel);
  const date = one("input[type=date]", panel);
  let waiting = 0;
  let running = null;

  const element = (tag, className, text = "") => {
    const made = document.createElement(tag);
    made.className = className;
    made.textContent = text;
    return made;
  };
  const pushLine = (push) => {
    const line = element("li", `push push-${push.outcome}`);
    const times = element("span", "num", push.time);
    if (push.at) times.append(element("span", "arrow", " → "), element("b", "", push.at));
    line.append(times, element("span", `tag tag-push-${push.outcome}`, push.word), element("small", "", push.why));
    return line;
  };
  const dayLine = (day) => {
    const line = element("li", `ahead ahead-${day.kind}`);
    const button = element("button", "ahead-day");
    button.type = "button";
    button.append(element("span", "num", day.short), element("span", "", day.day), element("b", "num", day.expected),
      element("small", "", day.counts));
    button.addEventListener("click", () => { date.value = day.date; ask(); });
    line.append(button);
    return line;
  };
  const placed = (className, { left, width }) => {
    const made = element("i", className);
    made.style.left = `${left}%`;
    if (width) made.style.width = `${width}%`;
    return made;
  };

  function show(found) {
    part("sentence").textContent = found.sentence;
    part("warning").textContent = found.warning;
    part("warning").hidden = !found.warning;
    part("expected").textContent = found.expected;
    part("day").textContent = found.day;
    part("counts").textContent = found.counts;
    part("pushes").replaceChildren(...found.pushes.map(pushLine));
    part("pushes").hidden = !found.pushes.length;
    part("none").hidden = found.pushes.length > 0;
    part("more").textContent = found.more;
    part("more").hidden = !found.more;
    part("stretches").replaceChildren(...found.stretches.map((each) => placed(`level-${each.level}`, each)));
    part("marks").replaceChildren(...found.marks.map((each) => placed(`mark mark-${each.outcome}`, each)));
    part("week").replaceChildren(...found.week.map(dayLine));
  }

  async function ask() {
    running?.abort();
    running = new AbortController();
    const body = new FormData();
    body.set("csrf_token", token);
    body.set("definition", JSON.stringify(definition()));
    body.set("date", date.value);
    try {
      const answer = await fetch(url, { method: "POST", body, signal: running.signal });
      if (!answer.ok) return;
      const found = await answer.json();
      problems(found.problems);
      panel.classList.toggle("stale", found.problems.length > 0);
      if (found.problems.length) part("sentence").textContent = words.faulty;
      else show(found);
    } catch (error) {
      if (error.name !== "AbortError") panel.classList.add("stale");
    }
  }

  date.addEventListener("change", () => { if (date.value) ask(); });
  all("[data-step]", panel).forEach((button) => button.addEventListener("click", () => {
    const step = Number(button.dataset.step);
    const from = new Date(`${step ? date.value : date.dataset.today}T00:00:00Z`);
    from.setUTCDate(from.getUTCDate() + step);
    date.value = from.toISOString().slice(0, 10);
    ask();
  }));
  return {
    ask,
    askSoon: () => { window.clearTimeout(waiting); waiting = window.setTimeout(ask, 250); },
  };
}

// -- a stored schedule, to look at -----------------------------------------------------------------------
all("[data-schedule]:not([data-editor])").forEach((root) => {
  const data = JSON.parse(one("[data-schedule-data]", root).textContent);
  weekGrid(one("[data-grid]", root), data.words).show(data.definition.grid);
  const token = one("[name=csrf_token]", root).value;
  weekPreview(one("[data-preview-panel]", root), {
    url: data.urls.preview, token, words: data.words, definition: () => data.definition,
  }).ask();
});
