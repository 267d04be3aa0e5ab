// The frame: drawer, sidebar areas, menus, messages and copy buttons.
import { all, maybe, one, target } from "./dom.js";

function drawer() {
  const button = maybe(".burger");
  const side = maybe("#side");
  const veil = maybe(".veil");
  if (!button || !side || !veil) return;
  const set = (/** @type {boolean} */ open) => {
    side.classList.toggle("open", open);
    veil.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    (open ? one("a", side) : button).focus();
  };
  button.addEventListener("click", () => set(true));
  veil.addEventListener("click", () => set(false));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && side.classList.contains("open")) set(false);
  });
}

/** A long menu is scrolled so far that the page's own entry is in sight. */
function showCurrent() {
  maybe(".side a[aria-current]")?.scrollIntoView({ block: "nearest" });
}

/** Remember open areas in a cookie, so that the server renders them open and nothing jumps. @param {MouseEvent} event */
function rememberArea(event) {
  const area = /** @type {HTMLDetailsElement | null | undefined} */ (
    target(event).closest(".area > summary")?.parentElement
  );
  if (!area) return;
  const known = document.cookie.match(/(?:^|; )areas=([^;]*)/)?.[1] ?? "";
  const open = new Set(known.split(".").filter(Boolean));
  const name = area.dataset.area ?? "";
  // The click is handled before the area opens or closes.
  if (area.open) open.delete(name);
  else open.add(name);
  // biome-ignore lint/suspicious/noDocumentCookie: the server reads it, and cookieStore needs https
  document.cookie = `areas=${[...open].join(".")}; path=/; max-age=31536000; samesite=lax`;
}

/** @param {Event} event */
function closeMenus(event) {
  /** @type {HTMLDetailsElement[]} */
  const menus = all("details.menu[open]");
  for (const menu of menus) {
    const away = event.type === "click" && !menu.contains(target(event));
    const escaped = event instanceof KeyboardEvent && event.key === "Escape";
    if (!away && !escaped) continue;
    menu.open = false;
    if (escaped) one("summary", menu).focus();
  }
}

/** Copy a text to the clipboard. Without https the clipboard API is missing, and the selection is copied. @param {HTMLElement} button */
function enableCopying(button) {
  const source = one(button.dataset.copyText ?? "");
  button.addEventListener("click", async () => {
    window.getSelection()?.selectAllChildren(source);
    try {
      await navigator.clipboard.writeText(source.textContent ?? "");
    } catch {
      if (!document.execCommand("copy")) return;
    }
    button.textContent = button.dataset.copied ?? "";
  });
}

/** @param {HTMLElement} element */
function toast(element) {
  one(".toast-close", element).addEventListener("click", () => element.remove());
  if (!element.matches(".toast-good, .toast-info")) return;
  const seconds = maybe("form", element) ? 20 : 6;
  const leave = () => {
    // Whoever is about to undo is not hurried.
    if (element.matches(":hover, :focus-within")) window.setTimeout(leave, 2000);
    else element.remove();
  };
  window.setTimeout(leave, seconds * 1000);
}

/** Whoever folds the first steps keeps them folded. @param {HTMLDetailsElement} steps */
function firstSteps(steps) {
  const key = "first-steps-folded";
  if (localStorage.getItem(key)) steps.open = false;
  one("summary", steps).addEventListener("click", () => {
    if (steps.open) localStorage.setItem(key, "1");
    else localStorage.removeItem(key);
  });
}

document.addEventListener("click", closeMenus);
document.addEventListener("click", rememberArea);
document.addEventListener("keydown", closeMenus);
window.addEventListener("pageshow", (event) => {
  if (event.persisted) window.location.reload();
});
drawer();
showCurrent();
all("[data-copy-text]").forEach(enableCopying);
all(".toast").forEach(toast);
const steps = /** @type {HTMLDetailsElement | null} */ (maybe("[data-first-steps]"));
if (steps) firstSteps(steps);
