// The figures of the effect page, loaded after the frame, with a progress bar if that takes long.
import { drawAll } from "./charts.js";
import { all, one } from "./dom.js";
import { linesOf } from "./stream.js";

/** @param {HTMLElement} box */
async function loadFigures(box) {
  const bar = one(".track", box);
  const slow = window.setTimeout(() => {
    bar.hidden = false;
  }, 1000);
  try {
    const answer = await fetch(box.dataset.figures ?? "", { headers: { Accept: "application/x-ndjson" } });
    if (!answer.ok || answer.redirected || !answer.body) throw new Error(String(answer.status));
    for await (const line of linesOf(answer.body)) showLine(box, bar, line);
    if (box.contains(bar)) throw new Error("cut off");
  } catch {
    box.textContent = box.dataset.failed ?? "";
  }
  window.clearTimeout(slow);
  box.setAttribute("aria-busy", "false");
}

/** @param {HTMLElement} box @param {HTMLElement} bar @param {{done?: number, html?: string, error?: string}} line */
function showLine(box, bar, line) {
  if (line.done !== undefined) {
    bar.setAttribute("aria-valuenow", String(Math.round(line.done * 100)));
    one("i", bar).style.width = `${line.done * 100}%`;
  } else if (line.html) {
    box.innerHTML = line.html;
    drawAll(box);
  } else {
    box.textContent = line.error ?? "";
  }
}

all("[data-figures]").forEach(loadFigures);
