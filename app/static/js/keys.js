// Keys: an element with data-key is clicked, or focused if it is a field, by that key alone.
import { all, target } from "./dom.js";

const TYPED_IN = "input, select, textarea, [contenteditable], [role=grid], dialog";

/** Whether a key was pressed while typing or choosing something. @param {KeyboardEvent} event */
const isTyped = (event) => event.ctrlKey || event.metaKey || event.altKey || target(event).closest?.(TYPED_IN);

/** Click or focus the first visible element with a key. Returns whether there is one. @param {string} key */
function use(key) {
  const element = all(`[data-key="${CSS.escape(key)}"]`).find((each) => each.checkVisibility());
  if (!element) return false;
  if (element.matches("input, select, textarea")) element.focus();
  else element.click();
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || isTyped(event)) return;
  if (use(event.key.toLowerCase())) event.preventDefault();
});
