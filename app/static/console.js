// Behaviour of the console. Every page works without it except confirm questions, the bulk bar and live progress.
"use strict";

const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const one = (selector, root = document) => root.querySelector(selector);

// -- confirm questions: a submit button with data-confirm asks first -----------------------
let agreed = null;

function ask(button, text) {
  const dialog = one("#confirm");
  const yes = one("#confirm-yes");
  one("#confirm-text").textContent = text;
  yes.textContent = button.dataset.yes || button.textContent.trim();
  const no = one("#confirm-no");
  no.textContent = button.dataset.no || no.dataset.text;
  yes.classList.toggle("danger", button.classList.contains("danger"));
  dialog.returnValue = "no";
  dialog.addEventListener("close", () => {
    if (dialog.returnValue !== "yes") return;
    agreed = button;
    button.form.requestSubmit(button);
  }, { once: true });
  dialog.showModal();
}

document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (!button || !button.dataset.confirm || agreed === button) return;
  event.preventDefault();
  const counted = button.dataset.counted;
  const ticked = all(`input[name=rowid]:checked`).filter((box) => box.form === button.form).length;
  ask(button, button.dataset.confirm + (counted ? `\n${counted.replace("{n}", ticked)}` : ""));
});

// -- bulk bar ------------------------------------------------------------------------------
function watchTicks(list) {
  const bar = one(".bulk", list);
  if (!bar) return;
  const boxes = all("input[name=rowid]", list);
  const everything = one("[data-tick-all]", list);
  const said = one("[data-text]", bar);
  const show = () => {
    const ticked = boxes.filter((box) => box.checked).length;
    bar.hidden = ticked === 0;
    said.textContent = said.dataset.text.replace("{n}", ticked);
    everything.checked = ticked > 0 && ticked === boxes.length;
    everything.indeterminate = ticked > 0 && ticked < boxes.length;
  };
  const tickAll = (state) => { boxes.forEach((box) => { box.checked = state; }); show(); };
  list.addEventListener("change", (event) => {
    if (event.target === everything) tickAll(everything.checked);
    else if (event.target.name === "rowid") show();
  });
  one("[data-untick]", bar).addEventListener("click", () => tickAll(false));
  show();
}

// -- bulk actions that ask what to choose --------------------------------------------------
function choose(button) {
  const dialog = one(`#${button.dataset.choose}`);
  button.addEventListener("click", () => dialog.showModal());
  one("[data-close]", dialog).addEventListener("click", () => dialog.close());
}

// -- a list too wide for its page scrolls sideways and gives up its sticky head -----------
function fit(list) {
  list.classList.remove("scrolls");
  const table = one("table", list);
  if (table && table.scrollWidth > list.clientWidth + 1) list.classList.add("scrolls");
}

// -- filters and page size -----------------------------------------------------------------
function trimEmpty(form) {
  form.addEventListener("submit", () => {
    all("[name]", form).forEach((control) => { control.disabled = control.value.trim() === ""; });
  });
}

function unfold(button) {
  button.addEventListener("click", () => {
    const open = button.form.classList.toggle("open");
    button.setAttribute("aria-expanded", String(open));
  });
}

function rememberPageSize(select) {
  select.addEventListener("change", () => {
    const size = select.selectedOptions[0].dataset.size;
    document.cookie = `page_size=${size}; path=/; max-age=31536000; samesite=lax`;
    window.location.assign(select.value);
  });
}

// -- forms: warn before typed input is lost, send once -------------------------------------
function guard(form) {
  let changed = Boolean(one(".summary", form));
  form.addEventListener("input", () => { changed = true; });
  window.addEventListener("beforeunload", (event) => { if (changed) event.preventDefault(); });
  form.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    changed = false;
    const button = one("button[type=submit]", form);
    button.disabled = true;
    button.textContent = form.dataset.busy || button.textContent;
  });
  const summary = one(".summary", form);
  if (summary) summary.focus();
}

// Says what the form as filled in would find.
// A part of the page that takes the server a while, as the server draws it.
async function fetchInto(box) {
  try {
    const answer = await fetch(box.dataset.fetch, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) throw new Error(answer.status);
    box.innerHTML = await answer.text();
  } catch {
    box.textContent = box.dataset.failed;
  }
  box.setAttribute("aria-busy", "false");
}

// The lines of JSON of an answer, as they come.
async function* linesOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    yield* lines.map((line) => JSON.parse(line));
  }
}

function liveCount(line) {
  let waiting = 0;
  let asked = 0;
  const say = async () => {
    const mine = ++asked;
    const answer = await fetch(line.dataset.count, { method: "POST", body: new FormData(line.closest("form")) });
    if (answer.ok && mine === asked) line.textContent = (await answer.json()).text;
  };
  line.closest("form").addEventListener("input", () => {
    window.clearTimeout(waiting);
    waiting = window.setTimeout(say, 400);
  });
  say();
}

// -- a file to upload: its size is checked before it travels, and it may be dropped --------
function dropZone(zone) {
  const input = one("input[type=file]", zone);
  const hint = document.createElement("p");
  hint.className = "drop-hint";
  hint.textContent = zone.dataset.hint;
  input.after(hint);
  const tooLarge = () => {
    const large = [...input.files].some((file) => file.size > Number(zone.dataset.most) * 1048576);
    input.setCustomValidity(large ? zone.dataset.tooLarge : "");
    let said = one("[data-part=too-large]", zone);
    if (large && !said) {
      said = document.createElement("p");
      said.className = "error";
      said.setAttribute("role", "alert");
      said.dataset.part = "too-large";
      hint.after(said);
    }
    if (said) said.textContent = large ? zone.dataset.tooLarge : "";
    one("button[type=submit]", zone).disabled = large;
  };
  input.addEventListener("change", tooLarge);
  const over = (event) => { event.preventDefault(); zone.classList.add("dropping"); };
  zone.addEventListener("dragenter", over);
  zone.addEventListener("dragover", over);
  zone.addEventListener("dragleave", (event) => {
    if (!zone.contains(event.relatedTarget)) zone.classList.remove("dropping");
  });
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("dropping");
    if (!event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
}

function findInChecklist(input) {
  input.addEventListener("input", () => {
    const wanted = input.value.trim().toLowerCase();
    all("label", input.parentElement).forEach((label) => {
      label.hidden = !label.textContent.toLowerCase().includes(wanted);
    });
  });
}

// -- a table of numbers is one stop of the tab key; the arrow keys move inside it -----------
function arrows(table) {
  const rows = all("tbody tr", table).map((row) => all("td", row).map((cell) => one("a", cell)));
  const links = rows.flat().filter(Boolean);
  if (!links.length) return;
  const stop = (link) => links.forEach((each) => { each.tabIndex = each === link ? 0 : -1; });
  stop(links[0]);
  table.addEventListener("focusin", (event) => { if (links.includes(event.target)) stop(event.target); });
  table.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!step || !links.includes(event.target)) return;
    event.preventDefault();
    let row = rows.findIndex((each) => each.includes(event.target));
    let column = rows[row].indexOf(event.target);
    do { row += step[0]; column += step[1]; } while (rows[row] && column in rows[row] && !rows[row][column]);
    if (rows[row] && rows[row][column]) rows[row][column].focus();
  });
}

// -- progress of background work -----------------------------------------------------------
function showProgress(card, state) {
  one("[data-part=status]", card).textContent = state.status_text;
  one("[data-part=status]", card).className = `tag tag-run-${state.status}`;
  one("[data-part=summary]", card).textContent = state.summary;
  one("[data-part=percent]", card).textContent = `${state.progress}%`;
  const track = one(".track", card);
  track.setAttribute("aria-valuenow", state.progress);
  one("i", track).style.width = `${state.progress}%`;
  const details = one("[data-part=details]", card);
  if (details) details.textContent = state.details;
  for (const step of state.steps || []) {
    const line = one(`[data-step="${CSS.escape(step.name)}"]`, card);
    if (!line) continue;
    line.className = `step step-${step.status}`;
    one("[data-part=step-status]", line).textContent = step.status_text;
  }
}

async function follow(card) {
  try {
    const answer = await fetch(card.dataset.progress, { headers: { Accept: "application/json" } });
    if (answer.ok) {
      const state = await answer.json();
      showProgress(card, state);
      if (state.done) { window.location.reload(); return; }
    }
  } catch { /* the server restarts: ask again */ }
  window.setTimeout(follow, 2000, card);
}

// -- frame: drawer, menus, toasts ----------------------------------------------------------
function drawer() {
  const button = one(".burger");
  const side = one("#side");
  const veil = one(".veil");
  if (!button || !side) return;
  const set = (open) => {
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

// The server opens the areas that were left open: nothing jumps when the page appears.
function rememberArea(event) {
  const area = event.target.closest(".area > summary")?.parentElement;
  if (!area) return;
  const known = document.cookie.match(/(?:^|; )areas=([^;]*)/)?.[1] ?? "";
  const open = new Set(known.split(".").filter(Boolean));
  // The click comes before what it does.
  if (area.open) { open.delete(area.dataset.area); } else { open.add(area.dataset.area); }
  document.cookie = `areas=${[...open].join(".")}; path=/; max-age=31536000; samesite=lax`;
}

// Copies a text that is shown. Without https a page may not use the clipboard: then the selection is copied.
function copies(button) {
  const shown = one(button.dataset.copyText);
  button.addEventListener("click", async () => {
    window.getSelection().selectAllChildren(shown);
    try { await navigator.clipboard.writeText(shown.textContent); }
    catch { if (!document.execCommand("copy")) return; }
    button.textContent = button.dataset.copied;
  });
}

// The bell asks once a minute how much is unread, while somebody looks at the page.
function ring(bell) {
  const ask = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(bell.dataset.unread, { headers: { Accept: "application/json" } });
      if (answer.ok && !answer.redirected) show(await answer.json());
    } catch { /* the server restarts: ask again */ }
  };
  const show = ({ n, text, label }) => {
    let badge = one(".badge", bell);
    if (!n) { if (badge) badge.remove(); } else {
      if (!badge) { badge = document.createElement("b"); badge.className = "badge"; bell.append(badge); }
      badge.textContent = text;
    }
    bell.setAttribute("aria-label", label);
  };
  window.setInterval(ask, 60000);
  document.addEventListener("visibilitychange", ask);
}

function closeMenus(event) {
  for (const menu of all("details.menu[open]")) {
    const away = event.type === "click" && !menu.contains(event.target);
    const escape = event.key === "Escape";
    if (!away && !escape) continue;
    menu.open = false;
    if (escape) one("summary", menu).focus();
  }
}

function toast(element) {
  one(".toast-close", element).addEventListener("click", () => element.remove());
  if (element.classList.contains("toast-good") || element.classList.contains("toast-info")) {
    window.setTimeout(() => element.remove(), 6000);
  }
}

document.addEventListener("click", closeMenus);
document.addEventListener("click", rememberArea);
document.addEventListener("keydown", closeMenus);
window.addEventListener("pageshow", (event) => { if (event.persisted) window.location.reload(); });
drawer();
all("[data-list]").forEach(watchTicks);
all("[data-choose]").forEach(choose);
all("[data-list]").forEach(fit);
window.addEventListener("resize", () => all("[data-list]").forEach(fit));
all(".filters").forEach(trimEmpty);
all("[data-unfold]").forEach(unfold);
all("[data-submit]").forEach((select) => select.addEventListener("change", () => select.form.requestSubmit()));
all("[data-page-size]").forEach(rememberPageSize);
all("[data-guard]").forEach(guard);
all("[data-drop]").forEach(dropZone);
all(".checklist-find").forEach(findInChecklist);
all("[data-count]").forEach(liveCount);
all("[data-fetch]").forEach(fetchInto);
all("[data-grid]").forEach(arrows);
all("[data-progress]:not([data-done])").forEach((card) => window.setTimeout(follow, 2000, card));
all("[data-unread]").forEach(ring);
all("[data-copy-text]").forEach(copies);
all(".toast").forEach(toast);

// -- a mailed link: its secret is in the fragment, which no server and no log ever gets ------
for (const form of all("form[data-secret]")) {
  form.elements[form.dataset.secret].value = location.hash.slice(1);
  for (const link of all("a.language")) link.href += location.hash;
}
