// The drawing on the page of a journey or version, which comes with its steps.
import { all, maybe } from "./dom.js";
import { Drawing } from "./journey_drawing.js";

/** @param {HTMLElement} root */
function draw(root) {
  const drawing = new Drawing(root, (id) => {
    const row = maybe(`#stop-${CSS.escape(id)}`);
    drawing.mark(id);
    row?.scrollIntoView({ block: "center" });
    for (const each of all(".stops .chosen")) each.classList.remove("chosen");
    row?.classList.add("chosen");
  });
  drawing.draw(JSON.parse(root.dataset.drawing ?? ""));
}

document.addEventListener("htmx:load", (event) => {
  const part = /** @type {CustomEvent<{elt: HTMLElement}>} */ (event).detail.elt;
  for (const root of all(".drawing[data-drawing]", part.parentElement ?? part)) draw(root);
});
