// The meaning of a term beside a figure or the head of a column: on hover, on focus and by a tap.
import { all, make, maybe, one, target } from "./dom.js";

const GAP = 6;
const EDGE = 8;
/** The mark whose meaning is shown. @type {HTMLElement | null} */
let shown = null;
/** Whether a click shows it, which the pointer leaving it does not end. */
let kept = false;

/** @param {HTMLElement} mark */
function show(mark) {
  const box = maybe("#tip");
  if (!box || shown === mark) return;
  hide();
  shown = mark;
  const { word = "", meaning = "", counted = "" } = mark.dataset;
  const lines = [meaning, counted].filter(Boolean).map((text) => make("p", { textContent: text }));
  box.replaceChildren(make("strong", { textContent: word }), ...lines);
  box.hidden = false;
  mark.setAttribute("aria-describedby", box.id);
  const { left, top, bottom } = mark.getBoundingClientRect();
  const right = document.documentElement.clientWidth - box.offsetWidth - EDGE;
  box.style.left = `${Math.max(EDGE, Math.min(left - EDGE, right))}px`;
  const above = top - box.offsetHeight - GAP;
  const fits = bottom + GAP + box.offsetHeight < window.innerHeight || above < 0;
  box.style.top = `${fits ? bottom + GAP : above}px`;
}

function hide() {
  if (!shown) return;
  shown.removeAttribute("aria-describedby");
  shown = null;
  kept = false;
  one("#tip").hidden = true;
}

/** The mark of an event, or null. @param {Event} event @returns {HTMLElement | null} */
function markOf(event) {
  return target(event).closest?.(".tip") ?? null;
}

document.addEventListener("mouseover", (event) => {
  const mark = markOf(event);
  if (mark) show(mark);
  else if (!kept && !target(event).closest?.("#tip") && !shown?.matches(":focus-visible")) hide();
});
document.addEventListener("focusin", (event) => {
  const mark = markOf(event);
  if (mark?.matches(":focus-visible")) show(mark);
  else if (!mark) hide();
});
document.addEventListener("click", (event) => {
  const mark = markOf(event);
  if (!mark || (kept && mark === shown)) {
    hide();
    return;
  }
  show(mark);
  kept = true;
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") hide();
});
document.addEventListener("scroll", hide, { capture: true, passive: true });
// A part that is loaded anew takes its marks away.
document.addEventListener("htmx:afterSwap", () => {
  if (shown && !all(".tip").includes(shown)) hide();
});
