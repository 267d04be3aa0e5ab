// The end of a session that nobody uses: a warning before it, and no customer's data on the screen after it.
import { all, filled, maybe, one } from "./dom.js";

/** seconds before the end at which the warning appears, between two looks while it is shown, and at most otherwise */
const [WARNING, SOON, LATE] = [120, 10, 300];

/** @typedef {{ seconds: number, user?: number, token?: string }} Left */

/** Return whether something was typed or chosen that would be lost with the page. */
function isTyped() {
  /** @type {(HTMLInputElement | HTMLTextAreaElement)[]} */
  const texts = all("main form:not([role=search]) :is(input:not([type=hidden]), textarea)");
  return texts.some((field) => {
    const box = /** @type {HTMLInputElement} */ (field);
    if (["checkbox", "radio"].includes(box.type)) return box.checked !== box.defaultChecked;
    return field.value !== field.defaultValue;
  });
}

class SessionEnd {
  /** @param {HTMLDialogElement} warning */
  constructor(warning) {
    this.warning = warning;
    /** @type {HTMLDialogElement} */
    this.ended = one("#session-ended");
    /** whether the user typed or clicked since the server last heard of it */
    this.used = false;
    this.timer = 0;
    for (const type of ["keydown", "pointerdown"]) {
      document.addEventListener(type, () => this.use(), { capture: true, passive: true });
    }
    // Timers stand still while a computer sleeps.
    document.addEventListener("visibilitychange", () => document.hidden || this.look());
    window.addEventListener("focus", () => this.look());
    this.ended.addEventListener("cancel", (event) => event.preventDefault());
    warning.addEventListener("close", () => {
      if (warning.returnValue === "stay") this.look(true);
    });
    this.wait(Number(warning.dataset.seconds) - WARNING);
  }

  use() {
    if (!this.warning.open && !this.ended.open) this.used = true;
  }

  /** @param {number} seconds */
  wait(seconds) {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.look(), Math.max(1, Math.min(seconds, LATE)) * 1000);
  }

  /** Ask how long the session lasts, and show it. @param {boolean} [stays] */
  async look(stays = this.used) {
    const left = await this.ask(stays);
    if (left === null) {
      this.wait(SOON);
    } else if (left.seconds <= 0 || String(left.user) !== this.warning.dataset.user) {
      this.end();
    } else if (left.seconds > WARNING) {
      this.resume(left);
    } else {
      this.warn(left.seconds);
    }
  }

  /** Return what the server says, null when it can't be reached. @param {boolean} stays @returns {Promise<Left | null>} */
  async ask(stays) {
    const { left, stay } = this.warning.dataset;
    const headers = { Accept: "application/json" };
    const body = new FormData();
    body.set("csrf_token", /** @type {HTMLInputElement} */ (one("[name=csrf_token]")).value);
    try {
      const answer = await fetch(String(stays ? stay : left), stays ? { method: "POST", body, headers } : { headers });
      if (stays) this.used = false;
      return answer.ok ? await answer.json() : { seconds: 0 };
    } catch {
      return null;
    }
  }

  /** @param {Left} left */
  resume(left) {
    if (this.warning.open) this.warning.close();
    if (this.ended.open) {
      document.body.classList.remove("session-over");
      this.ended.close();
      /** @type {HTMLInputElement[]} */
      const tokens = all("[name=csrf_token]");
      for (const token of tokens) token.value = left.token ?? token.value;
    }
    this.wait(left.seconds - WARNING);
  }

  /** @param {number} seconds */
  warn(seconds) {
    const text = one("#session-warning-text");
    text.textContent = filled(text.dataset.text ?? "", { n: seconds });
    if (!this.warning.open) {
      this.warning.returnValue = "";
      this.warning.showModal();
    }
    this.wait(Math.min(SOON, seconds));
  }

  end() {
    window.clearTimeout(this.timer);
    if (this.ended.open) return;
    if (!isTyped()) {
      const next = encodeURIComponent(window.location.pathname + window.location.search);
      window.location.assign(`${this.ended.dataset.login}?next=${next}`);
      return;
    }
    if (this.warning.open) this.warning.close("");
    document.body.classList.add("session-over");
    this.ended.showModal();
  }
}

/** @type {HTMLDialogElement | null} */
const warning = maybe("#session-warning");
if (warning) new SessionEnd(warning);
