// The search of the top bar: opened by "/" or Ctrl-K, results chosen with the arrow keys and opened with Enter.
import { all, filled, maybe, one, target } from "./dom.js";

/** @param {HTMLFormElement} form */
function enable(form) {
  /** @type {HTMLInputElement} */
  const input = one("#search", form);
  const panel = one("#found", form);
  const status = one("[role=status]", form);
  /** Enter was pressed before the results for the text had come. */
  let waiting = false;

  const text = () => input.value.trim();
  const results = () => all("[role=option]", panel);
  const chosen = () => results().find((each) => each.ariaSelected === "true");
  const isCurrent = () => maybe("#found-list", panel)?.dataset.for === text();

  /** @param {boolean} open */
  const show = (open) => {
    panel.hidden = !open;
    input.ariaExpanded = String(open);
    if (!open) input.removeAttribute("aria-activedescendant");
  };

  /** @param {HTMLElement | undefined} result */
  const choose = (result) => {
    for (const each of results()) each.ariaSelected = String(each === result);
    if (!result) return;
    input.setAttribute("aria-activedescendant", result.id);
    result.scrollIntoView({ block: "nearest" });
  };

  /** @param {number} step */
  const move = (step) => {
    const found = results();
    const now = chosen();
    const place = now ? found.indexOf(now) + step : step > 0 ? 0 : -1;
    choose(found.at(place % found.length));
  };

  const open = () => {
    waiting = !isCurrent();
    if (!waiting) chosen()?.click();
  };

  panel.addEventListener("htmx:afterSwap", () => {
    const found = results();
    choose(found[0]);
    status.textContent = filled((found.length ? status.dataset.some : status.dataset.none) ?? "", { n: found.length });
    if (waiting) open();
  });
  panel.addEventListener("htmx:afterRequest", () => show(text() !== ""));

  input.addEventListener("input", () => {
    waiting = false;
    if (!text()) show(false);
  });
  input.addEventListener("focus", () => {
    if (text() && isCurrent()) show(true);
  });
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown") move(1);
    else if (event.key === "ArrowUp") move(-1);
    else if (event.key === "Enter") open();
    else if (event.key === "Escape" && panel.hidden) input.blur();
    else if (event.key === "Escape") show(false);
    else return;
    event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    if (!form.contains(target(event))) show(false);
  });
  form.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !form.contains(/** @type {Node} */ (event.relatedTarget))) show(false);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || maybe("dialog[open]")) return;
    event.preventDefault();
    input.focus();
    input.select();
  });
}

/** @type {HTMLFormElement[]} */ (all("form.search")).forEach(enable);
