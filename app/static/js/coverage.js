// Coverage of the rule in the editor: counted when typing pauses, cancelled when it goes on.
import { draw } from "./charts.js";
import { all, filled, formatted, make, one } from "./dom.js";
import { linesOf } from "./stream.js";

/**
 * @typedef {{no: string, name: string, phone: string, grade: string, reason: string, url: string}} Lead
 * @typedef {Record<string, any>} Line a line of the answer, sent while the server counts
 */

const strong = (/** @type {string} */ text) => make("b", { className: "num", textContent: text });
const small = (/** @type {string} */ text) => make("small", { textContent: text });

/** @param {string} text @param {string} url */
function linked(text, url) {
  return url ? make("a", { textContent: text, href: url, target: "_blank", rel: "noopener" }) : text;
}

/** @param {Lead[]} leads */
function firstLeads(leads) {
  const few = leads.slice(0, 3).flatMap((lead, place) => [place ? " · " : "", linked(lead.no, lead.url)]);
  return make("small", {}, ...few);
}

export class Coverage {
  /** @type {AbortController | null} */
  counting = null;
  timer = 0;
  counted = "";

  /**
   * @param {HTMLElement} panel
   * @param {() => Record<string, any>} rule returns the rule in the editor
   * @param {(values: Record<string, string>, signal: AbortSignal) => Promise<Response>} ask requests the counts
   */
  constructor(panel, rule, ask) {
    this.panel = panel;
    this.rule = rule;
    this.ask = ask;
    this.words = JSON.parse(panel.dataset.words ?? "");
    this.bar = one(".track", panel);
    for (const radio of all("[name=days]", panel)) radio.addEventListener("change", () => this.schedule(0));
    window.addEventListener("pagehide", () => this.counting?.abort());
    this.schedule(0);
  }

  /** @param {string} name */
  part(name) {
    return one(`[data-part=${name}]`, this.panel);
  }

  /** The request, without name and purpose: the counts don't depend on them, and they may be missing. */
  request() {
    const rule = JSON.stringify({ ...this.rule(), name: "-", description: "" });
    /** @type {HTMLInputElement} */
    const days = one("[name=days]:checked", this.panel);
    return { rule, days: days.value };
  }

  /** Cancel the counting of an older rule, and count again soon. */
  typed() {
    if (JSON.stringify(this.request()) !== this.counted) this.counting?.abort();
    this.schedule(600);
  }

  /** @param {number} pause */
  schedule(pause) {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.count(), pause);
  }

  async count() {
    const request = this.request();
    if (JSON.stringify(request) === this.counted) return;
    this.counting?.abort();
    const mine = new AbortController();
    this.counting = mine;
    this.counted = JSON.stringify(request);
    const slow = window.setTimeout(() => {
      if (mine === this.counting) this.bar.hidden = false;
    }, 2000);
    this.panel.setAttribute("aria-busy", "true");
    this.part("state").textContent = this.words.counting;
    try {
      await this.read(await this.ask(request, mine.signal));
    } catch (error) {
      if (!(error instanceof DOMException && error.name === "AbortError")) {
        this.counted = "";
        this.clear(this.words.failed);
      }
    } finally {
      window.clearTimeout(slow);
      if (mine === this.counting) {
        this.panel.setAttribute("aria-busy", "false");
        this.bar.hidden = true;
      }
    }
  }

  /** @param {Response} answer */
  async read(answer) {
    if (!answer.ok || answer.redirected || !answer.body) throw new Error(String(answer.status));
    this.part("overlap").hidden = true;
    one("ul", this.part("overlap")).replaceChildren();
    for await (const line of linesOf(answer.body)) this.show(line);
  }

  /** @param {string} text */
  clear(text) {
    this.part("state").textContent = text;
    for (const name of ["change", "overlap", "sample", "numbers"]) this.part(name).hidden = true;
    this.part("chart").classList.add("stale");
  }

  /** @param {Line} line */
  show(line) {
    const { step } = line;
    if (step === "unsound") this.clear(this.words.unsound);
    else if (step === "wait") this.part("state").textContent = this.words.wait;
    else if (step === "empty" || step === "error") this.clear(line.text);
    else if (step === "count" || step === "counted") this.drawCounts(line);
    else if (step === "sample") this.drawSample(line);
    else if (step === "change") this.drawChange(line);
    else if (step === "overlap") this.drawOverlap(line);
  }

  /** @param {Line} line */
  drawCounts(line) {
    const days = Object.keys(line.counts);
    /** @type {number[]} */
    const numbers = Object.values(line.counts);
    const done = line.step === "counted";
    const chart = this.part("chart");
    this.bar.setAttribute("aria-valuenow", String(Math.round(line.done * 100)));
    one("i", this.bar).style.width = `${line.done * 100}%`;
    chart.classList.remove("stale");
    chart.classList.toggle("unfinished", !done);
    draw(chart, { title: "", x: days, y: numbers, unit: this.words.unit, links: [] });
    if (!done) return;
    const last = numbers.length - 1;
    this.part("state").textContent = filled(this.words.as_of, { day: days[last], n: formatted(numbers[last]) });
    this.fill(
      "numbers",
      days.map((day, place) => [day, strong(formatted(numbers[place]))]),
    );
  }

  /** @param {string} name @param {(Node | string)[][]} rows */
  fill(name, rows) {
    this.part(name).hidden = rows.length === 0;
    one("ul", this.part(name)).replaceChildren(...rows.map((parts) => make("li", {}, ...parts)));
  }

  /** @param {Line} line */
  drawSample({ leads }) {
    this.fill(
      "sample",
      leads.map((/** @type {Lead} */ lead) => [
        make("span", { className: `tag tag-grade-${lead.grade}`, textContent: lead.grade }),
        linked(`${lead.no} ${lead.name}`, lead.url),
        small(lead.phone),
        make("p", { textContent: lead.reason }),
      ]),
    );
  }

  /** @param {Line} line */
  drawChange(line) {
    if (line.new) {
      this.fill("change", [[this.words.new]]);
      return;
    }
    this.fill(
      "change",
      line.groups.map((/** @type {{name: string, n: number, leads: Lead[]}} */ group) => [
        make("span", { className: `change-${group.name}`, textContent: this.words[group.name] }),
        strong(formatted(group.n)),
        ...(group.leads.length ? [firstLeads(group.leads)] : []),
      ]),
    );
  }

  /** Insert a rule, those with most leads in common first. @param {Line} line */
  drawOverlap(line) {
    this.part("overlap").hidden = false;
    const words = filled(this.words.overlap, { n: formatted(line.both), share: line.share });
    const row = make("li", { value: line.both }, linked(line.name, line.url), small(words));
    const list = one("ul", this.part("overlap"));
    const after = /** @type {HTMLLIElement[]} */ ([...list.children]).find((other) => other.value < line.both);
    list.insertBefore(row, after ?? null);
  }
}
