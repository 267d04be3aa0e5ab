// What every script needs of the page: finding elements and making them.

/**
 * The first element that a selector finds; there must be one.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} selector
 * @param {ParentNode} [root]
 * @returns {T}
 */
export function one(selector, root = document) {
  const found = maybe(selector, root);
  if (!found) throw new Error(`nothing on this page is ${selector}`);
  return /** @type {T} */ (found);
}

/**
 * The first element that a selector finds, or null.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} selector
 * @param {ParentNode} [root]
 * @returns {T | null}
 */
export function maybe(selector, root = document) {
  return /** @type {T | null} */ (root.querySelector(selector));
}

/**
 * All elements that a selector finds.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} selector
 * @param {ParentNode} [root]
 * @returns {T[]}
 */
export function all(selector, root = document) {
  return /** @type {T[]} */ ([...root.querySelectorAll(selector)]);
}

/**
 * Make an element with properties and children; texts become text nodes.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Partial<HTMLElementTagNameMap[K]>} [properties]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** The element that an event is about. @param {Event} event @returns {HTMLElement} */
export function target(event) {
  return /** @type {HTMLElement} */ (event.target);
}

/** A text with its places {name} filled in. @param {string} text @param {Record<string, string | number>} values */
export function filled(text, values) {
  return text.replace(/\{(\w+)\}/g, (place, name) => String(values[name] ?? place));
}

/** A number as the page's language writes it. @param {number} n */
export function formatted(n) {
  return n.toLocaleString(document.documentElement.lang);
}
