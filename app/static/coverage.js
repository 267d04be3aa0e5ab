// Coverage of the rule that is being typed: started when one pauses, given up when one goes on.
"use strict";

const panel = one("#coverage");
const told = JSON.parse(panel.dataset.words);
const part = (name) => one(`[data-part=${name}]`, panel);
let counting = null;
let soon = 0;
let countedRule = "";

// What is counted depends neither on the name nor on the purpose; both may still be missing.
const asked = () => JSON.stringify({ ...ruleTyped(), name: "-", description: "" });
const daysAsked = () => one("[name=days]:checked", panel).value;

function later(pause) {
  window.clearTimeout(soon);
  soon = window.setTimeout(count, pause);
}

async function count() {
  const rule = asked();
  const days = daysAsked();
  if (rule + days === countedRule) return;
  counting?.abort();
  const mine = counting = new AbortController();
  countedRule = rule + days;
  const slow = window.setTimeout(() => { if (mine === counting) one(".track", panel).hidden = false; }, 2000);
  panel.setAttribute("aria-busy", "true");
  part("state").textContent = told.counting;
  try {
    const answer = await post(start.urls.coverage, { rule, days }, mine.signal);
    if (!answer.ok || answer.redirected) throw new Error(answer.status);
    part("overlap").hidden = true;
    one("ul", part("overlap")).replaceChildren();
    for await (const line of linesOf(answer.body)) show(line);
  } catch (error) {
    if (error.name !== "AbortError") { countedRule = ""; clear(told.failed); }
  } finally {
    window.clearTimeout(slow);
    if (mine === counting) { panel.setAttribute("aria-busy", "false"); one(".track", panel).hidden = true; }
  }
}

function clear(text) {
  part("state").textContent = text;
  ["change", "overlap", "sample", "numbers"].forEach((name) => { part(name).hidden = true; });
  part("chart").classList.add("stale");
}

const shows = {
  unsound: () => clear(told.unsound),
  wait: () => { part("state").textContent = told.wait; },
  empty: (line) => clear(line.text),
  error: (line) => clear(line.text),
  count: drawCounts,
  counted: drawCounts,
  sample: drawSample,
  change: drawChange,
  overlap: drawOverlap,
};
const show = (line) => shows[line.step]?.(line);

function drawCounts(line) {
  const days = Object.keys(line.counts);
  const numbers = Object.values(line.counts);
  const bar = one(".track", panel);
  bar.setAttribute("aria-valuenow", Math.round(line.done * 100));
  one("i", bar).style.width = `${line.done * 100}%`;
  const [bars, layout] = standing({ x: days, y: numbers, unit: told.unit });
  bars.marker.opacity = line.step === "counted" ? 1 : 0.45;
  part("chart").classList.remove("stale");
  window.Plotly.react(part("chart"), [bars], { ...layout, height: 180 }, { displayModeBar: false, responsive: true });
  if (line.step !== "counted") return;
  part("state").textContent = told.as_of.replace("{day}", days.at(-1)).replace("{n}", numbers.at(-1).toLocaleString());
  fillList("numbers", days.map((day, place) => [day, strong(numbers[place].toLocaleString())]));
}

function fillList(name, rows) {
  part(name).hidden = rows.length === 0;
  one("ul", part(name)).replaceChildren(...rows.map(item));
}

function item(parts) {
  const line = document.createElement("li");
  line.append(...parts);
  return line;
}

const strong = (text) => Object.assign(document.createElement("b"), { className: "num", textContent: text });
const small = (text) => Object.assign(document.createElement("small"), { textContent: text });

function linked(text, url) {
  if (!url) return document.createTextNode(text);
  return Object.assign(document.createElement("a"), { textContent: text, href: url, target: "_blank", rel: "noopener" });
}

function drawSample(line) {
  if (!line.leads.length) { part("sample").hidden = true; return; }
  fillList("sample", line.leads.map((lead) => [
    Object.assign(document.createElement("span"), { className: `tag tag-grade-${lead.grade}`, textContent: lead.grade }),
    linked(`${lead.no} ${lead.name}`, lead.url), small(lead.phone), Object.assign(document.createElement("p"), { textContent: lead.reason }),
  ]));
}

function drawChange(line) {
  if (line.new) { fillList("change", [[told.new]]); return; }
  fillList("change", line.groups.map((group) => [
    Object.assign(document.createElement("span"), { className: `change-${group.name}`, textContent: told[group.name] }),
    strong(group.n.toLocaleString()),
    ...(group.leads.length ? [someOf(group.leads)] : []),
  ]));
}

function someOf(leads) {
  const few = document.createElement("small");
  leads.slice(0, 3).forEach((lead, place) => few.append(place ? " · " : "", linked(lead.no, lead.url)));
  return few;
}

function drawOverlap(line) {
  part("overlap").hidden = false;
  const words = told.overlap.replace("{n}", line.both.toLocaleString()).replace("{share}", line.share);
  const row = item([linked(line.name, line.url), small(words)]);
  row.value = line.both;
  const list = one("ul", part("overlap"));
  const after = [...list.children].find((other) => other.value < line.both);
  list.insertBefore(row, after || null);
}

editor.addEventListener("typed", () => {
  // Going on gives up what is counted for what was typed before.
  if (asked() + daysAsked() !== countedRule) counting?.abort();
  later(600);
});
all("[name=days]", panel).forEach((radio) => radio.addEventListener("change", () => later(0)));
window.addEventListener("pagehide", () => counting?.abort());
later(0);
