// Finding and making elements, and formatting texts.

/**
 * Return the first element that matches a selector. Throws when there is none.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} selector
 * @param {ParentNode} [root]
 * @returns {T}
 */
export function one(selector, root = document) {
  const element = maybe(selector, root);
  if (!element) throw new Error(`no element matches ${selector}`);
  return /** @type {T} */ (element);
}

/**
 * Return the first element that matches a selector, or null.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} selector
 * @param {ParentNode} [root]
 * @returns {T | null}
 */
export function maybe(selector, root = document) {
  return /** @type {T | null} */ (root.querySelector(selector));
}

/**
 * Return all elements that match a selector.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} selector
 * @param {ParentNode} [root]
 * @returns {T[]}
 */
export function all(selector, root = document) {
  return /** @type {T[]} */ ([...root.querySelectorAll(selector)]);
}

/**
 * Make an element with properties and children.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Partial<HTMLElementTagNameMap[K]>} [properties]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** The target of an event. @param {Event} event @returns {HTMLElement} */
export function target(event) {
  return /** @type {HTMLElement} */ (event.target);
}

/** A text with its placeholders {name} filled in. @param {string} text @param {Record<string, string | number>} values */
export function filled(text, values) {
  return text.replace(/\{(\w+)\}/g, (place, name) => String(values[name] ?? place));
}

/** A number formatted in the page's language. @param {number} n */
export function formatted(n) {
  return n.toLocaleString(document.documentElement.lang);
}
