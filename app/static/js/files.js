// File fields: the names of what was chosen or dropped stand beside the button.
import { maybe, target } from "./dom.js";

document.addEventListener("change", (event) => {
  const input = /** @type {HTMLInputElement} */ (target(event));
  const names = input.matches(".file-input") ? maybe(".file-names", input.parentElement ?? document) : null;
  if (!names) return;
  const chosen = [...(input.files ?? [])].map((file) => file.name);
  names.textContent = chosen.join(" · ") || (names.dataset.none ?? "");
});
