// A step of the journey editor: one line in words, and the fields behind it.
import { all, filled, make, maybe, one } from "./dom.js";
import { FilterRows } from "./filter_rows.js";
import { kindOf, waysOf } from "./journey_steps.js";
import { Picker } from "./picker.js";

/**
 * @typedef {import("./journey_steps.js").Step} Step
 * @typedef {import("./journey_steps.js").Way} Way
 * @typedef {HTMLInputElement | HTMLSelectElement} Control
 * @typedef {{step: string | null, field: string, text: string}} Problem
 * @typedef {{text: string, ways: string[]}} Told
 * @typedef {{
 *   words: Record<string, string>,
 *   kinds: Record<string, string>,
 *   texts: Record<string, {code: string, name: string, body: string, url: string}[]>,
 *   tables: {code: string, name: string, url: string, rows: string[]}[],
 *   names: Record<string, Record<string, string>>,
 *   find: string,
 *   steps: () => Step[],
 *   told: (id: string) => Told | undefined,
 *   typed: () => void,
 *   act: (card: Card, action: string) => void,
 *   add: (card: Card, kind: string, way?: Way) => void,
 * }} Editor
 */

let numbered = 0;

/** A copy of a template's only element. @param {string} id */
function copied(id) {
  /** @type {HTMLTemplateElement} */
  const template = one(`#${id}`);
  const copy = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
  return copy;
}

/** @param {string} id @returns {HTMLElement} */
const copiedElement = (id) => /** @type {HTMLElement} */ (copied(id).firstElementChild);

/** @param {Control} control */
function read(control) {
  if (control.dataset.type !== "number") return control.value;
  const text = control.value.trim();
  return text === "" || Number.isNaN(Number(text)) ? null : Number(text);
}

export class Card {
  /** @param {Step} step @param {Editor} editor */
  constructor(step, editor) {
    this.step = step;
    this.editor = editor;
    numbered += 1;
    this.mark = `s${numbered}`;
    this.root = copiedElement("step");
    this.body = one(".step-body", this.root);
    /** @type {HTMLButtonElement} */
    this.button = one(".step-open", this.root);
    this.body.id = `${this.mark}-body`;
    this.button.setAttribute("aria-controls", this.body.id);
    this.button.addEventListener("click", () => this.show(Boolean(this.body.hidden)));
    /** @type {Problem[]} */
    this.problems = [];
    for (const button of all("[data-action]", this.root)) {
      button.addEventListener("click", () => editor.act(this, button.dataset.action ?? ""));
    }
    this.menu = kindMenu(editor, (kind) => editor.add(this, kind));
    one("[data-part=add]", this.root).append(this.menu);
  }

  get isOpen() {
    return !this.body.hidden;
  }

  /** @param {boolean} open */
  show(open) {
    if (open && !this.body.childElementCount) this.fill();
    this.body.hidden = !open;
    this.button.setAttribute("aria-expanded", String(open));
    if (open) this.showWays();
    this.showProblems(this.problems);
  }

  /** Open the step and go to a field of it, the first one if it has none of that name. @param {string} [field] */
  focus(field = "") {
    this.show(true);
    const line = field ? this.lineOf(field) : null;
    const control = line && maybe("select, input:not([type=hidden])", /** @type {HTMLElement} */ (line.parentElement));
    const first = maybe("select:not([hidden]), input:not([type=hidden])", this.body);
    (control ?? first ?? this.button).focus();
  }

  // -- the line ----------------------------------------------------------------------------
  /** @param {number} place @param {Map<string, number>} numbers @param {number} total */
  showLine(place, numbers, total) {
    const { words, kinds } = this.editor;
    const told = this.editor.told(this.step.id);
    one("[data-part=number]", this.root).textContent = String(place + 1);
    const kind = one("[data-part=kind]", this.root);
    kind.textContent = kinds[kindOf(this.step)];
    kind.className = `tag tag-step-${kindOf(this.step)}`;
    one("[data-part=text]", this.root).textContent = told?.text ?? words.unfinished;
    one("[data-part=ways]", this.root).textContent = this.waysSaid(told, numbers);
    one("summary", this.menu).textContent = this.step.do === "end" ? words.add_before : words.add_after;
    this.root.setAttribute("aria-label", filled(words.step, { n: place + 1 }));
    const impossible = { up: place === 0, down: place === total - 1, remove: total === 1 };
    for (const [action, never] of Object.entries(impossible)) {
      /** @type {HTMLButtonElement} */ (one(`[data-action=${action}]`, this.root)).disabled = never;
    }
    this.root.classList.toggle("first", place === 0);
    if (this.isOpen) this.showWays();
  }

  /** Where the ways on lead. @param {Told | undefined} told @param {Map<string, number>} numbers */
  waysSaid(told, numbers) {
    const ways = waysOf(this.step).map(({ to }, place) => {
      const when = told?.ways[place];
      return `${when ? `${when} ` : ""}→ ${numbers.get(to) ?? "?"}`;
    });
    return ways.join(" · ");
  }

  /** @param {Problem[]} problems */
  showProblems(problems) {
    this.problems = problems;
    this.root.classList.toggle("step-bad", problems.length > 0);
    for (const line of all("[data-problem], [data-case-problem]", this.root)) {
      line.hidden = true;
      line.textContent = "";
      line.closest(".field")?.classList.remove("field-bad");
    }
    for (const control of all("[aria-invalid]", this.root)) control.removeAttribute("aria-invalid");
    for (const { field, text } of problems) {
      const own = this.isOpen && field ? this.lineOf(field) : null;
      const line = own ?? one(":scope > [data-problem]", this.root);
      const said = own ? text : `${this.labelOf(field)}${text}`;
      line.textContent = line.textContent ? `${line.textContent} ${said}` : said;
      line.hidden = false;
      if (!own) continue;
      own.id ||= `${this.mark}-${field.replaceAll(".", "-")}-problem`;
      own.closest(".field")?.classList.add("field-bad");
      const control = maybe("select, input:not([type=hidden])", /** @type {HTMLElement} */ (own.parentElement));
      control?.setAttribute("aria-invalid", "true");
      control?.setAttribute("aria-describedby", own.id);
    }
  }

  /** The line in the open body that shows the problem of a field. @param {string} field @returns {HTMLElement | null} */
  lineOf(field) {
    const [name, place, part] = field.split(".");
    if (name === "cases" && place !== undefined) {
      const section = all(".condition", this.body)[Number(place)];
      return section && maybe(part === "then" ? "[data-problem=case]" : "[data-case-problem]", section);
    }
    const line = maybe(`[data-problem="${name}"]`, this.body);
    return line?.closest("[hidden]:not(p)") ? null : line;
  }

  /** What a field is called, before its problem. @param {string} field */
  labelOf(field) {
    const [name, place] = field.split(".");
    if (name === "cases" && place !== undefined) {
      return `${filled(this.editor.words.case, { n: Number(place) + 1 })}: `;
    }
    const line = name ? maybe(`[data-problem="${name}"]`, copied(`body-${this.step.do}`)) : null;
    const label = line?.closest(".field")?.querySelector("label");
    return label ? `${(label.firstChild?.textContent ?? "").trim()}: ` : "";
  }

  // -- the fields --------------------------------------------------------------------------
  fill() {
    const { step } = this;
    this.body.replaceChildren(copied(`body-${step.do}`));
    if (step.do === "contact") this.fillTexts();
    if (step.do === "strategy") this.fillTables();
    for (const control of /** @type {Control[]} */ (all("[data-field]", this.body))) this.bind(control);
    if (step.do === "wait") this.fillWait();
    if (step.do === "branch") this.fillCases();
    if (step.do === "split") this.fillParts();
    if (step.do === "tag") this.fillTags();
    for (const name of ["then", "timeout", "held", "else"]) {
      const field = maybe(`[data-way=${name}]`, this.body);
      if (field) this.bindWay(field, () => this.wayNamed(name));
    }
    this.identify(this.body);
  }

  /** Give controls unique ids, and connect their labels. @param {HTMLElement} root */
  identify(root) {
    for (const label of /** @type {HTMLLabelElement[]} */ (all("label[data-for]", root))) {
      const control = maybe("select, input", /** @type {HTMLElement} */ (label.parentElement));
      if (!control) continue;
      numbered += 1;
      control.id ||= `${this.mark}-${numbered}`;
      label.htmlFor = control.id;
    }
  }

  /** @param {Control} control */
  bind(control) {
    const name = control.dataset.field ?? "";
    const value = this.step[name] ?? (name === "hold_hours" ? 24 : "");
    control.value = String(value);
    const changed = () => {
      this.step[name] = read(control);
      if (name === "until") this.changeUntil();
      if (name === "template") this.showText();
      if (name === "table") this.showTable();
    };
    control.addEventListener("input", changed);
    control.addEventListener("change", changed);
  }

  fillTexts() {
    const { words, texts } = this.editor;
    const own = texts[this.step.channel];
    const select = one("[data-field=template]", this.body);
    const options = own.map(({ code, name }) => make("option", { value: code, textContent: name }));
    select.replaceChildren(
      make("option", { value: "", textContent: own.length ? words.choose : words.no_text }),
      ...options,
    );
    const { template } = this.step;
    if (template && !own.some(({ code }) => code === template)) {
      select.append(make("option", { value: template, textContent: filled(words.gone, { code: template }) }));
    }
    this.showText();
  }

  showText() {
    const found = this.editor.texts[this.step.channel].find(({ code }) => code === this.step.template);
    const link = found && make("a", { href: found.url, target: "_blank", textContent: this.editor.words.text_of });
    one("[data-part=body]", this.body).replaceChildren(...(found && link ? [link, ` ${found.body}`] : []));
  }

  fillTables() {
    const { words, tables } = this.editor;
    const { table } = this.step;
    const select = one("[data-field=table]", this.body);
    select.replaceChildren(
      make("option", { value: "", textContent: tables.length ? words.choose : words.no_table }),
      ...tables.map(({ code, name }) => make("option", { value: code, textContent: name })),
    );
    if (table && !tables.some(({ code }) => code === table)) {
      select.append(make("option", { value: table, textContent: filled(words.gone, { code: table }) }));
    }
    this.showTable();
  }

  /** The rows of the chosen table in words, and the way to its page. */
  showTable() {
    const found = this.editor.tables.find(({ code }) => code === this.step.table);
    const link = found && make("a", { href: found.url, target: "_blank", textContent: this.editor.words.table_of });
    const lines = (found?.rows ?? []).map((text) => make("li", { textContent: text }));
    one("[data-part=table]", this.body).replaceChildren(...(link ? [link, make("ol", {}, ...lines)] : []));
  }

  fillWait() {
    /** @type {HTMLSelectElement} */
    const unit = one("[data-unit-of]", this.body);
    /** @type {HTMLInputElement} */
    const amount = one("[data-span]", this.body);
    /** @type {HTMLInputElement} */
    const clock = one("[data-clock]", this.body);
    unit.value = ["hours", "days", "at"].find((each) => each in this.step) ?? "days";
    amount.value = String(this.step.hours ?? this.step.days ?? 1);
    clock.value = this.step.at ?? "09:00";
    const show = () => {
      one("[data-part=amount]", this.body).hidden = unit.value === "at";
      clock.hidden = unit.value !== "at";
    };
    const changed = () => {
      for (const each of ["hours", "days", "at"]) delete this.step[each];
      const number = amount.value === "" ? null : Number(amount.value);
      this.step[unit.value] = unit.value === "at" ? clock.value : number;
      show();
    };
    for (const control of [unit, amount, clock]) {
      control.addEventListener("input", changed);
      control.addEventListener("change", changed);
    }
    show();
  }

  /** A wait for an event has a way for when time is over: the one that it had. */
  changeUntil() {
    if (!this.step.until) {
      delete this.step.until;
      if (this.step.timeout) this.step.then = this.step.timeout;
      delete this.step.timeout;
    } else if (!this.step.timeout) {
      this.step.timeout = this.step.then;
      const over = this.editor.steps().find((each) => each.do === "end");
      if (over) this.step.then = over.id;
    }
    this.showWays();
  }

  fillCases() {
    const list = one("[data-part=cases]", this.body);
    list.replaceChildren(...this.step.cases.map((/** @type {any} */ each) => this.caseSection(each)));
    const add = one("[data-action=case]", this.body);
    add.onclick = () => {
      this.step.cases.push({ rows: [{}], then: this.step.else });
      this.again(() => this.fillCases());
      all("[data-part=what]", list).at(-1)?.focus();
    };
    this.numberCases();
  }

  numberCases() {
    const sections = all(".condition", this.body);
    for (const [place, section] of sections.entries()) {
      const text = filled(this.editor.words.case, { n: place + 1 });
      one("h3", section).textContent = text;
      section.setAttribute("aria-label", text);
      /** @type {HTMLButtonElement} */ (one("[data-action=uncase]", section)).disabled = sections.length === 1;
    }
  }

  /** @param {{rows: object[], then: string}} each */
  caseSection(each) {
    const section = copiedElement("case");
    const tests = one("[data-part=tests]", section);
    tests.append(copied("case-tests"));
    const rows = new FilterRows(one(".test-rows", tests));
    rows.rows = each.rows;
    for (const kind of ["input", "change"]) {
      tests.addEventListener(kind, () => {
        each.rows = rows.rows;
      });
    }
    one("[data-action=uncase]", section).addEventListener("click", () => {
      this.step.cases.splice(this.step.cases.indexOf(each), 1);
      this.again(() => this.fillCases());
      one("[data-action=case]", this.body).focus();
    });
    this.bindWay(one("[data-way=case]", section), () => ({
      name: "case",
      to: each.then,
      set: (to) => {
        each.then = to;
      },
    }));
    this.identify(section);
    return section;
  }

  fillParts() {
    const list = one("[data-part=parts]", this.body);
    list.replaceChildren(...this.step.parts.map((/** @type {[string, number | null]} */ part) => this.partLine(part)));
    one("[data-action=part]", this.body).onclick = () => {
      this.step.parts.push(["", 0]);
      this.again(() => this.fillParts());
      all("[data-percent]", list).at(-1)?.focus();
    };
    const buttons = /** @type {HTMLButtonElement[]} */ (all("[data-action=unpart]", list));
    for (const button of buttons) button.disabled = buttons.length <= 2;
  }

  /** @param {[string, number | null]} part */
  partLine(part) {
    const line = copiedElement("part");
    /** @type {HTMLInputElement} */
    const percent = one("[data-percent]", line);
    percent.value = part[1] === null ? "" : String(part[1]);
    percent.addEventListener("input", () => {
      part[1] = percent.value === "" ? null : Number(percent.value);
    });
    one("[data-action=unpart]", line).addEventListener("click", () => {
      this.step.parts.splice(this.step.parts.indexOf(part), 1);
      this.again(() => this.fillParts());
      one("[data-action=part]", this.body).focus();
    });
    this.bindWay(one("[data-way=part]", line), () => ({
      name: "part",
      to: part[0],
      set: (to) => {
        part[0] = to;
      },
    }));
    return line;
  }

  /** Draw a list of the body anew after a change of it. @param {() => void} draw */
  again(draw) {
    draw();
    this.showWays();
    this.editor.typed();
  }

  fillTags() {
    for (const [name, box] of /** @type {[string, HTMLElement][]} */ ([
      ["add", all(".picker", this.body)[0]],
      ["remove", all(".picker", this.body)[1]],
    ])) {
      one("select", box).id = `${this.mark}-${name}`;
      const picker = new Picker(
        box,
        this.editor.find,
        this.editor.names,
        /** @type {any} */ (this.editor.words),
        () => {
          this.step[name] = picker.values.tags;
          this.editor.typed();
        },
      );
      picker.values = { tags: this.step[name] ?? [] };
    }
  }

  // -- ways on -----------------------------------------------------------------------------
  /** @param {string} name @returns {Way} */
  wayNamed(name) {
    const { step } = this;
    return {
      name,
      to: step[name] ?? "",
      set: (to) => {
        if (name === "held" && to === "") delete step.held;
        else step[name] = to;
      },
    };
  }

  /** @param {HTMLElement} field @param {() => Way} way */
  bindWay(field, way) {
    /** @type {HTMLSelectElement} */
    const select = one("[data-to]", field);
    select.addEventListener("change", () => way().set(select.value));
    const menu = kindMenu(this.editor, (kind) => {
      const mine = way();
      this.editor.add(this, kind, { ...mine, to: mine.to || this.step.then || "" });
    });
    one("summary", menu).textContent = this.editor.words.add_here;
    one(".way-line", field).append(menu);
    this.ways.push([field, way]);
  }

  /** @type {[HTMLElement, () => Way][]} */
  ways = [];

  /** Offer the steps as they are now. */
  showWays() {
    const { words } = this.editor;
    this.ways = this.ways.filter(([field]) => this.body.contains(field));
    const steps = this.editor.steps();
    for (const [field, way] of this.ways) {
      /** @type {HTMLSelectElement} */
      const select = one("[data-to]", field);
      const { name, to } = way();
      const options = steps.map((each, place) => {
        const said = this.editor.told(each.id)?.text ?? this.editor.kinds[kindOf(each)];
        return make("option", { value: each.id, textContent: `${place + 1} · ${said}`, disabled: each === this.step });
      });
      select.replaceChildren(
        make("option", { value: "", textContent: name === "held" ? words.same : words.choose }),
        ...options,
      );
      if (to && !steps.some((each) => each.id === to)) select.append(make("option", { value: to, textContent: to }));
      select.value = to;
    }
    const timeout = maybe("[data-way=timeout]", this.body);
    if (timeout) timeout.hidden = !this.step.until;
  }
}

/** A menu of the kinds of steps. @param {Editor} editor @param {(kind: string) => void} chosen */
function kindMenu(editor, chosen) {
  const menu = /** @type {HTMLDetailsElement} */ (copiedElement("menu"));
  const sheet = one(".menu-sheet", menu);
  menu.addEventListener("toggle", () => {
    if (!menu.open || sheet.childElementCount) return;
    const buttons = Object.entries(editor.kinds).map(([kind, word]) => {
      const button = make("button", { type: "button", textContent: word });
      button.addEventListener("click", () => {
        menu.open = false;
        chosen(kind);
      });
      return button;
    });
    sheet.append(...buttons);
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    one("summary", menu).focus();
  });
  return menu;
}
