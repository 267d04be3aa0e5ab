// Lists: selected rows, filters, page size, wide tables, and arrow keys in tables of numbers.
import { all, filled, maybe, one, target } from "./dom.js";

/** @param {HTMLElement} list */
function watchTicks(list) {
  const bar = maybe(".bulk", list);
  if (!bar) return;
  /** @type {HTMLInputElement[]} */
  const boxes = all("input[name=rowid]", list);
  /** @type {HTMLInputElement} */
  const everything = one("[data-tick-all]", list);
  const count = one("[data-text]", bar);
  const untick = one("[data-untick]", bar);
  const stays = bar.hasAttribute("data-stays");
  /** @type {HTMLButtonElement[]} */
  const buttons = all(":scope > button", bar);
  const show = () => {
    const n = boxes.filter((box) => box.checked).length;
    bar.hidden = n === 0 && !stays;
    for (const button of buttons) button.disabled = n === 0;
    untick.hidden = n === 0;
    count.textContent = n ? filled(count.dataset.text ?? "", { n }) : (count.dataset.none ?? "");
    everything.checked = n > 0 && n === boxes.length;
    everything.indeterminate = n > 0 && n < boxes.length;
  };
  /** @type {HTMLInputElement | undefined} */
  let last;
  /** Tick a box, or with Shift all between it and the last one. @param {HTMLInputElement} box @param {boolean} upTo */
  const tick = (box, upTo) => {
    if (upTo && last) for (const each of between(boxes, last, box)) each.checked = box.checked;
    last = box;
    show();
  };
  const tickAll = (/** @type {boolean} */ state) => {
    for (const box of boxes) box.checked = state;
    show();
  };
  list.addEventListener("change", (event) => {
    if (event.target === everything) tickAll(everything.checked);
  });
  list.addEventListener("click", (event) => {
    const box = boxes.find((each) => each === event.target);
    if (box) tick(box, event.shiftKey);
  });
  // A click with Shift would select the text between the boxes.
  list.addEventListener("mousedown", (event) => {
    if (event.shiftKey && target(event).matches("[name=rowid]")) event.preventDefault();
  });
  untick.addEventListener("click", () => tickAll(false));
  show();
}

/** The part of a list from one of its elements to another. @template T @param {T[]} list @param {T} one @param {T} other */
export function between(list, one, other) {
  const [first, last] = [list.indexOf(one), list.indexOf(other)].sort((a, b) => a - b);
  return list.slice(first, last + 1);
}

/** Open the menu of a row beside its word, where no edge of the list cuts it off. @param {HTMLDetailsElement} menu */
function openAbove(menu) {
  const sheet = one(".menu-sheet", menu);
  menu.addEventListener("toggle", () => {
    if (!menu.open) return;
    const at = menu.getBoundingClientRect();
    const below = at.bottom + sheet.offsetHeight + 8 <= window.innerHeight;
    sheet.style.top = `${below ? at.bottom + 4 : at.top - sheet.offsetHeight - 4}px`;
    sheet.style.left = `${Math.max(8, at.right - sheet.offsetWidth)}px`;
  });
  window.addEventListener("scroll", () => menu.removeAttribute("open"), { passive: true });
}

/** Say in full on hover what a cell cuts off. @param {Event} event */
function tellAll(event) {
  const cell = target(event).closest?.(".rows-lines td:not(.actions)");
  if (!cell) return;
  const isCut = [cell, ...all("*", cell)].some((each) => each.clientWidth && each.scrollWidth > each.clientWidth);
  if (isCut) cell.setAttribute("title", cell.textContent.trim());
}

/** A button that opens the dialog of a bulk action, which warns of some of the ticked rows. @param {HTMLElement} button */
function choose(button) {
  /** @type {HTMLDialogElement} */
  const dialog = one(`#${button.dataset.choose}`);
  const warning = maybe("[data-warning]", dialog);
  button.addEventListener("click", () => {
    dialog.showModal();
    if (!warning) return;
    const n = all(`[name=rowid][data-warned~="${warning.dataset.warning}"]:checked`).length;
    warning.textContent = filled(warning.dataset.text ?? "", { n });
    warning.hidden = n === 0;
  });
  one("[data-close]", dialog).addEventListener("click", () => dialog.close());
}

/** Set a list that is too wide tighter, and if that does not do let it scroll sideways, which disables its sticky head. @param {HTMLElement} list */
function fit(list) {
  list.classList.remove("tight", "scrolls");
  const table = maybe("table", list);
  for (const step of ["tight", "scrolls"]) {
    if (table && table.scrollWidth > list.clientWidth + 1) list.classList.add(step);
  }
}

/** Keep empty filters out of the address. @param {HTMLElement} form */
function trimEmpty(form) {
  form.addEventListener("submit", () => {
    /** @type {HTMLInputElement[]} */
    const controls = all("[name]", form);
    for (const control of controls) control.disabled = control.value.trim() === "";
  });
}

/** @param {HTMLButtonElement} button */
function unfold(button) {
  button.addEventListener("click", () => {
    const open = button.form?.classList.toggle("open");
    button.setAttribute("aria-expanded", String(open));
  });
}

/** @param {HTMLSelectElement} select */
function rememberPageSize(select) {
  select.addEventListener("change", () => {
    const { size } = select.selectedOptions[0].dataset;
    // biome-ignore lint/suspicious/noDocumentCookie: the server reads it, and cookieStore needs https
    document.cookie = `page_size=${size}; path=/; max-age=31536000; samesite=lax`;
    window.location.assign(select.value);
  });
}

/** Make a table of numbers one tab stop, with arrow keys to move inside it. @param {HTMLElement} table */
function arrows(table) {
  const rows = all("tbody tr", table).map((row) => all("td", row).map((cell) => maybe("a", cell)));
  const links = rows.flat().filter((link) => link !== null);
  if (!links.length) return;
  const stop = (/** @type {HTMLElement} */ link) => {
    for (const each of links) each.tabIndex = each === link ? 0 : -1;
  };
  stop(links[0]);
  table.addEventListener("focusin", (event) => {
    if (links.includes(target(event))) stop(target(event));
  });
  table.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!step || !links.includes(target(event))) return;
    event.preventDefault();
    neighbour(rows, target(event), step)?.focus();
  });
}

/** The next link in a direction, skipping cells without one. @param {(HTMLElement | null)[][]} rows @param {HTMLElement} from @param {number[]} step */
export function neighbour(rows, from, [down, right]) {
  let row = rows.findIndex((each) => each.includes(from));
  let column = rows[row].indexOf(from);
  do {
    row += down;
    column += right;
  } while (rows[row] && column in rows[row] && !rows[row][column]);
  return rows[row]?.[column];
}

const lists = all("[data-list]:not(input)");
lists.forEach(watchTicks);
lists.forEach(fit);
window.addEventListener("resize", () => lists.forEach(fit));
all("[data-choose]").forEach(choose);
/** @type {HTMLDetailsElement[]} */ (all(".row-menu")).forEach(openAbove);
document.addEventListener("mouseover", tellAll);
all(".filters").forEach(trimEmpty);
/** @type {HTMLButtonElement[]} */ (all("[data-unfold]")).forEach(unfold);
/** @type {HTMLSelectElement[]} */ (all("[data-page-size]")).forEach(rememberPageSize);
all("[data-grid]").forEach(arrows);
