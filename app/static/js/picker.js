// A picker (Tom Select): type to search on the server, choose several items, shown as chips.
import TomSelect from "../vendor/tom-select.js";
import { filled, make, one } from "./dom.js";

/**
 * @typedef {{list: string, value: string, text: string, hint?: string}} Choice
 * @typedef {{label: string, items: Choice[]}} Group
 * @typedef {Record<string, string[]>} Values the chosen values of each list
 * @typedef {Record<string, Record<string, string>>} Names the names of values, by list
 */

/** @param {Choice} choice */
const keyed = (choice) => ({ ...choice, key: `${choice.list}:${choice.value}` });

export class Picker {
  /**
   * @param {HTMLElement} box
   * @param {string} url answers with groups of choices
   * @param {Names} names
   * @param {{none: string, remove: string}} words
   * @param {() => void} changed is called after every choice
   */
  constructor(box, url, names, words, changed) {
    this.url = url;
    this.kind = box.dataset.kind ?? "";
    this.names = names;
    this.words = words;
    this.lists = (box.dataset.lists ?? "").split(" ");
    this.asked = 0;
    /** The search text of the current options. */
    this.found = "";
    this.again = false;
    /** @type {HTMLSelectElement} */
    const select = one("select", box);
    this.box = new TomSelect(select, {
      valueField: "key",
      optgroupField: "list",
      sortField: "$order",
      wrapperClass: "picker-wrapper",
      controlClass: "picked-box",
      dropdownClass: "picker-found",
      dropdownContentClass: "picker-list",
      itemClass: "chip",
      controlInput: `<input class="picker-find" type="text" autocomplete="off">`,
      placeholder: box.dataset.hint,
      hidePlaceholder: false,
      highlight: false,
      lockOptgroupOrder: true,
      loadThrottle: 150,
      maxOptions: null,
      preload: "focus",
      // The server has searched; all its results match.
      score: () => () => 1,
      shouldLoad: () => true,
      load: (/** @type {string} */ text, /** @type {Function} */ found) => this.load(text, found),
      onItemAdd: () => {
        this.box.setTextboxValue("");
        if (this.found === "") return;
        this.again = true;
        this.box.load("");
      },
      onChange: changed,
      render: {
        item: (/** @type {Choice} */ choice) => this.chip(choice),
        option: (/** @type {Choice} */ { text, hint }) =>
          make("div", {}, text, ...(hint ? [make("small", { textContent: hint })] : [])),
        optgroup_header: (/** @type {{label: string}} */ { label }) =>
          make("div", { className: "picker-group", textContent: label }),
        no_results: () => make("div", { className: "picker-group", textContent: words.none }),
        loading: () => null,
      },
    });
    this.label(one("label", box));
    // Enter chooses an option and must not submit the form.
    this.box.control_input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") event.preventDefault();
    });
  }

  /** Connect the label: Tom Select can't find it while the picker is still in a template. @param {HTMLLabelElement} label */
  label(label) {
    const { control_input: input, dropdown_content: list } = this.box;
    label.htmlFor = input.id;
    label.id ||= `${input.id}-label`;
    for (const part of [input, list]) part.setAttribute("aria-labelledby", label.id);
  }

  /** @param {string} text @param {Function} found */
  async load(text, found) {
    const { again } = this;
    this.again = false;
    this.asked += 1;
    const mine = this.asked;
    const groups = await this.search(text);
    if (!groups || mine !== this.asked) return found();
    this.found = text;
    this.box.clearOptions();
    this.box.clearOptionGroups();
    // If the list was closed while options were loading, it should stay closed.
    const { isFocused } = this.box;
    this.box.isFocused = isFocused && (this.box.isOpen || !again);
    const heads = groups.map(({ label, items: [first] }) => ({ value: first?.list ?? "", label }));
    found(groups.flatMap(({ items }) => items).map(keyed), heads);
    this.box.isFocused = isFocused;
  }

  /** Search on the server. Returns null when it does not answer. @param {string} q @returns {Promise<Group[] | null>} */
  async search(q) {
    const query = new URLSearchParams({ kind: this.kind, q });
    try {
      const answer = await fetch(`${this.url}?${query}`, { headers: { Accept: "application/json" } });
      return (await answer.json()).groups;
    } catch {
      return null;
    }
  }

  /** @param {Choice} choice */
  chip(choice) {
    const { list, text } = choice;
    const away = make("button", {
      type: "button",
      textContent: "×",
      ariaLabel: filled(this.words.remove, { name: text }),
    });
    away.addEventListener("mousedown", (event) => event.stopPropagation());
    away.addEventListener("click", (event) => {
      event.stopPropagation();
      this.box.removeItem(keyed(choice).key);
      this.box.focus();
    });
    return make("div", { className: `chip-${list}` }, text, away);
  }

  /** @returns {Values} */
  get values() {
    const chosen = this.box.items.map((key) => /** @type {Choice} */ (this.box.options[key]));
    return Object.fromEntries(
      this.lists.map((list) => [list, chosen.filter((each) => each.list === list).map(({ value }) => value)]),
    );
  }

  set values(given) {
    this.box.clear(true);
    for (const list of this.lists) {
      for (const value of given[list] ?? []) {
        const choice = keyed({ list, value, text: this.names[list]?.[value] ?? value });
        this.box.addOption(choice);
        this.box.addItem(choice.key, true);
      }
    }
  }
}
