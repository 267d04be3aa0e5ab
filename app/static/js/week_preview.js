// The preview of a schedule, computed by the server from the definition in the editor.
import { all, make, one } from "./dom.js";

/**
 * @typedef {{path: string, text: string}} Fault
 * @typedef {Record<string, any>} Definition
 * @typedef {{time: string, at: string, outcome: string, word: string, why: string, times?: string}} Push several
 *   silenced in a row are one, with all their times
 * @typedef {{date: string, short: string, day: string, kind: string, expected: string, counts: string}} Day
 * @typedef {{left: number, width?: number}} Stretch
 */

/** @param {Push} push @param {{each: string}} words */
function pushLine(push, words) {
  const times = make("span", { className: "num", textContent: push.time });
  if (push.at)
    times.append(make("span", { className: "arrow", textContent: " → " }), make("b", { textContent: push.at }));
  const tag = make("span", { className: `tag tag-push-${push.outcome}`, textContent: push.word });
  const line = make("li", { className: `push push-${push.outcome}` }, times, tag);
  line.append(make("small", { textContent: push.why }), ...(push.times ? [folded(push.times, words)] : []));
  return line;
}

/** The times of a run of silenced pushes, to be unfolded. @param {string} times @param {{each: string}} words */
const folded = (times, words) =>
  make(
    "details",
    { className: "push-run" },
    make("summary", { textContent: words.each }),
    make("p", { className: "num", textContent: times }),
  );

/** @param {string} className @param {Stretch} stretch */
function placed(className, { left, width }) {
  const made = make("i", { className });
  made.style.left = `${left}%`;
  if (width) made.style.width = `${width}%`;
  return made;
}

export class WeekPreview {
  waiting = 0;
  /** @type {AbortController | null} */
  running = null;

  /**
   * @param {HTMLElement} panel
   * @param {object} of
   * @param {string} of.url
   * @param {string} of.token
   * @param {{faulty: string, each: string}} of.words
   * @param {() => Definition} of.definition
   * @param {(faults: Fault[]) => void} [of.problems] is called with the problems
   */
  constructor(panel, { url, token, words, definition, problems = () => {} }) {
    this.panel = panel;
    this.url = url;
    this.token = token;
    this.words = words;
    this.definition = definition;
    this.problems = problems;
    /** @type {HTMLInputElement} */
    this.date = one("#preview-date", panel);
    this.date.addEventListener("change", () => {
      if (this.date.value) this.ask();
    });
    for (const button of all("[data-step]", panel)) {
      button.addEventListener("click", () => this.step(Number(button.dataset.step)));
    }
  }

  /** Move the date by some days; 0 returns to today. @param {number} days */
  step(days) {
    const from = new Date(`${days ? this.date.value : this.date.dataset.today}T00:00:00Z`);
    from.setUTCDate(from.getUTCDate() + days);
    this.date.value = from.toISOString().slice(0, 10);
    this.ask();
  }

  /** @param {string} name */
  part(name) {
    return one(`[data-part="${name}"]`, this.panel);
  }

  askSoon() {
    window.clearTimeout(this.waiting);
    this.waiting = window.setTimeout(() => this.ask(), 250);
  }

  async ask() {
    this.running?.abort();
    this.running = new AbortController();
    const body = new FormData();
    body.set("csrf_token", this.token);
    body.set("definition", JSON.stringify(this.definition()));
    body.set("date", this.date.value);
    try {
      const answer = await fetch(this.url, { method: "POST", body, signal: this.running.signal });
      if (!answer.ok) return;
      const found = await answer.json();
      this.problems(found.problems);
      this.panel.classList.toggle("stale", found.problems.length > 0);
      if (found.problems.length) this.part("sentence").textContent = this.words.faulty;
      else this.show(found);
    } catch (error) {
      if (!(error instanceof DOMException && error.name === "AbortError")) this.panel.classList.add("stale");
    }
  }

  /** @param {Record<string, any>} found */
  show(found) {
    for (const name of ["sentence", "warning", "expected", "day", "counts", "more"]) {
      this.part(name).textContent = found[name];
    }
    for (const name of ["warning", "more"]) this.part(name).hidden = !found[name];
    this.part("pushes").replaceChildren(...found.pushes.map((/** @type {Push} */ push) => pushLine(push, this.words)));
    this.part("pushes").hidden = !found.pushes.length;
    this.part("none").hidden = found.pushes.length > 0;
    const stretches = found.stretches.map((/** @type {Stretch & {level: string}} */ each) =>
      placed(`level-${each.level}`, each),
    );
    const marks = found.marks.map((/** @type {Stretch & {outcome: string}} */ each) =>
      placed(`mark mark-${each.outcome}`, each),
    );
    this.part("stretches").replaceChildren(...stretches);
    this.part("marks").replaceChildren(...marks);
    this.part("week").replaceChildren(...found.week.map((/** @type {Day} */ day) => this.dayLine(day)));
  }

  /** @param {Day} day */
  dayLine(day) {
    const words = [
      make("span", { className: "num", textContent: day.short }),
      make("span", { textContent: day.day }),
      make("b", { className: "num", textContent: day.expected }),
      make("small", { textContent: day.counts }),
    ];
    const button = make("button", { type: "button", className: "ahead-day" }, ...words);
    button.addEventListener("click", () => {
      this.date.value = day.date;
      this.ask();
    });
    return make("li", { className: `ahead ahead-${day.kind}` }, button);
  }
}
