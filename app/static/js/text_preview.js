// The preview of a contact's text: filled in for an example customer, counted while it is typed.
import { all, filled, make, maybe, one } from "./dom.js";
import { rendered, smsLength, stored } from "./sms.js";

/** Characters of a script that are read out in a minute, as on the server. */
const SPOKEN_A_MINUTE = 240;

/**
 * @typedef {{ channel: string, sources: string[], variables: Record<string, string>, opt_out: string,
 *   prices: Record<string, number>, bodies: Record<string, string>, words: Record<string, string> }} Data
 * @typedef {{ number: number, total: number, hit?: number, who: string, held: string, values: Record<string, string> }} Example
 */

/** The length of a text in words. @param {string} text @param {Data} data */
export function lengthText(text, data) {
  if (data.channel !== "sms") {
    const chars = [...text].length;
    const seconds = Math.max(1, Math.round((60 * chars) / SPOKEN_A_MINUTE));
    return filled(data.words.spoken, { chars, seconds });
  }
  const length = smsLength(text);
  const yuan = `¥${(length.segments * data.prices.sms).toFixed(2)}`;
  return `${filled(data.words.length, { ...length })} · ${filled(data.words.cost, { yuan })}`;
}

/** The variables that a text names and the example has no value of. @param {string} body @param {Example} example @param {Data} data */
export function unknownIn(body, example, data) {
  const named = [...body.matchAll(/\{([^{}]*)\}/g)].map((match) => match[1]);
  return [...new Set(named)].filter((name) => name in data.variables && !(name in example.values));
}

class Preview {
  /** @param {HTMLElement} card */
  constructor(card) {
    this.card = card;
    /** @type {Data} */
    this.data = JSON.parse(card.dataset.preview ?? "{}");
    /** @type {Example} */
    this.example = { number: 0, total: 0, who: "", held: "", values: {} };
    // Placeholders are longer than what they stand for: nothing is counted before the example is there.
    this.asked = false;
    for (const source of this.controls()) {
      source.addEventListener("input", () => this.draw());
      source.addEventListener("change", () => this.draw());
    }
    const channel = /** @type {HTMLSelectElement | null} */ (maybe("form.form #channel"));
    channel?.addEventListener("change", () => this.choose(channel.value));
    /** @type {HTMLButtonElement[]} */
    const steps = all("[data-step]", card);
    for (const step of steps) {
      step.addEventListener("click", () => this.load(this.example.number + Number(step.dataset.step)));
    }
    maybe("[data-test]", card)?.addEventListener("submit", (event) => {
      event.preventDefault();
      this.test();
    });
    if (channel) this.choose(channel.value);
    else this.load(1);
    this.draw();
  }

  /** @param {string} channel */
  choose(channel) {
    this.data.channel = channel;
    const test = maybe("[data-test]", this.card);
    if (test) test.hidden = channel !== "sms";
    this.load(1);
  }

  /** @returns {(HTMLTextAreaElement | HTMLSelectElement)[]} */
  controls() {
    return this.data.sources.flatMap((selector) => all(selector));
  }

  /** The texts to show: what is typed, or those of the chosen templates. @returns {string[]} */
  bodies() {
    return this.controls()
      .map((control) => (control instanceof HTMLTextAreaElement ? control.value : this.data.bodies[control.value]))
      .filter((body) => body !== undefined);
  }

  /** @param {number} number */
  async load(number) {
    const path = filled(this.card.dataset.example ?? "", { channel: this.data.channel });
    const address = new URL(path, location.href);
    address.searchParams.set("n", String(number));
    const answer = await fetch(address, { headers: { Accept: "application/json" } });
    this.asked = true;
    if (answer.ok) this.example = await answer.json();
    this.draw();
  }

  draw() {
    const { data, example } = this;
    const names = Object.fromEntries(Object.entries(data.variables).map(([name, word]) => [name, `〔${word}〕`]));
    const optOut = data.channel === "sms" ? data.opt_out : "";
    const blocks = this.bodies().flatMap((body) => {
      if (!stored(body)) return [make("p", { className: "none", textContent: data.words.empty })];
      const text = rendered(body, { ...names, ...example.values }, optOut);
      return [
        make("blockquote", { className: "outreach-text", textContent: text }),
        make("p", { className: "help num", textContent: this.asked ? lengthText(text, data) : "\u00a0" }),
      ];
    });
    one("[data-texts]", this.card).replaceChildren(...blocks);
    this.drawExample();
  }

  drawExample() {
    const { data, example, card } = this;
    const unknown = example.number ? this.bodies().flatMap((body) => unknownIn(body, example, data)) : [];
    const facts = [...new Set(unknown)].map((name) => data.variables[name]).join(" · ");
    const notes = [example.held, facts && filled(data.words.unknown, { facts })].filter(Boolean);
    one("[data-who]", card).textContent = example.who;
    one("[data-held]", card).textContent = notes.join(" ");
    one("[data-held]", card).hidden = !notes.length;
    one("[data-place]", card).textContent = example.total
      ? filled(data.words.place, { number: example.number, total: example.total })
      : "";
    /** @type {HTMLButtonElement[]} */
    const [back, on] = all("[data-step]", card);
    one(".preview-steps", card).hidden = example.total <= 1;
    back.disabled = example.number <= 1;
    on.disabled = example.number >= example.total;
  }

  async test() {
    /** @type {HTMLFormElement} */
    const form = one("[data-test]", this.card);
    const shown = one("[data-answer]", form);
    const posted = new FormData(form);
    posted.set("body", this.bodies()[0] ?? "");
    posted.set("hit", String(this.example.hit ?? ""));
    /** @type {HTMLButtonElement} */
    const button = one("button", form);
    button.disabled = true;
    try {
      const answer = await fetch(form.action, {
        method: "POST",
        body: posted,
        headers: { Accept: "application/json" },
      });
      shown.textContent = (await answer.json()).message;
    } finally {
      button.disabled = false;
    }
  }
}

if (typeof document !== "undefined") for (const card of all("[data-preview]")) new Preview(card);
