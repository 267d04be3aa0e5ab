// The schedule editor: what is typed is one definition, as in a rules file; the server checks and previews it.
"use strict";

all("form[data-editor]").forEach((form) => {
  const data = JSON.parse(one("[data-schedule-data]", form).textContent);
  const token = one("[name=csrf_token]", form).value;
  const words = data.words;
  const paths = all("[data-path]", form);
  const state = one("[data-state]", form);
  const brushes = all("[name=brush]", form);
  const faults = { preview: [], save: [] };
  let stored = "";
  let preview = null;

  const edited = () => {
    state.textContent = typed() === stored ? "" : words.unsaved;
    state.className = "schedule-state";
    preview.askSoon();
  };
  const grid = weekGrid(one("[data-grid]", form), words, {
    brush: () => brushes.find((each) => each.checked).value,
    say: (text) => { one("[data-said]", form).textContent = text; },
    changed: (depth, quiet) => {
      one("[data-undo]", form).disabled = depth === 0;
      if (!quiet) edited();
    },
  });

  // -- definition ⇄ controls -----------------------------------------------------------------------------
  const numberOf = (text) => (text.trim() === "" || Number.isNaN(Number(text)) ? null : Number(text));
  const valueOf = (control) => {
    if (control.dataset.kind === "number") return numberOf(control.value);
    return control.dataset.kind === "date" ? control.value || null : control.value;
  };
  const rangeOf = (row) => ({
    from: one("[data-part=from]", row).value.trim(),
    to: one("[data-part=to]", row).value.trim(),
    level: one("[data-part=level]", row).value,
    days: all("[data-part=days] input:checked", row).map((box) => box.value),
  });
  const channelOf = (row) => {
    const target = one("[data-part=target]", row);
    return { kind: target.selectedOptions[0]?.dataset.kind ?? "", target: target.value };
  };
  const weekendOf = () => {
    const chosen = one("[data-weekend]", form).value;
    if (chosen !== "stretched") return chosen;
    const percent = numberOf(one("[data-percent]", form).value);
    return percent === null ? null : 1 + percent / 100;
  };
  const quietOf = () => (one("[data-quiet]", form).checked
    ? [one("[data-quiet-from]", form).value.trim(), one("[data-quiet-to]", form).value.trim()] : null);

  function definition() {
    const found = Object.fromEntries(paths.map((control) => [control.dataset.path, valueOf(control)]));
    return {
      ...found,
      preset: one("[name=preset]:checked", form)?.value ?? "",
      rules: all("[data-rule]:checked", form).map((box) => box.value),
      grid: grid.state(),
      weekend: weekendOf(),
      quiet_hours: quietOf(),
      ranges: all("[data-range]", form).map(rangeOf),
      channels: all("[data-channel]", form).map(channelOf),
    };
  }
  const typed = () => JSON.stringify(definition());

  function fill(found) {
    paths.forEach((control) => { control.value = found[control.dataset.path] ?? ""; });
    all("[name=preset]", form).forEach((radio) => { radio.checked = radio.value === found.preset; });
    all("[data-rule]", form).forEach((box) => { box.checked = found.rules.includes(box.value); });
    const stretched = typeof found.weekend === "number";
    one("[data-weekend]", form).value = stretched ? "stretched" : found.weekend;
    one("[data-percent]", form).value = stretched ? Math.round((found.weekend - 1) * 10000) / 100 : 200;
    one("[data-quiet]", form).checked = Boolean(found.quiet_hours);
    const [from, to] = found.quiet_hours || ["21:00", "08:00"];
    one("[data-quiet-from]", form).value = from;
    one("[data-quiet-to]", form).value = to;
    one("[data-ranges]", form).replaceChildren(...found.ranges.map(rangeRow));
    one("[data-channels]", form).replaceChildren(...found.channels.map(channelRow));
    grid.show(found.grid);
    fit();
  }

  const rowFrom = (name) => {
    const row = one(`template[data-${name}-row]`, form).content.firstElementChild.cloneNode(true);
    one("[data-remove]", row).addEventListener("click", () => {
      const next = row.parentElement.nextElementSibling;
      row.remove();
      next.focus();
      edited();
    });
    return row;
  };
  function rangeRow(range) {
    const row = rowFrom("range");
    ["from", "to", "level"].forEach((name) => { one(`[data-part=${name}]`, row).value = range[name]; });
    all("[data-part=days] input", row).forEach((box) => { box.checked = range.days.includes(box.value); });
    return row;
  }
  function channelRow(channel) {
    const row = rowFrom("channel");
    const target = one("[data-part=target]", row);
    const same = (option) => option.value === channel.target && option.dataset.kind === channel.kind;
    if (![...target.options].some(same)) {
      target.append(new Option(`${channel.kind} ${channel.target}`, channel.target));
      target.lastElementChild.dataset.kind = channel.kind;
    }
    target.selectedIndex = [...target.options].findIndex(same);
    return row;
  }

  // What makes no difference to the chosen frequency is out of sight.
  function fit() {
    const preset = one("[name=preset]:checked", form)?.value ?? "";
    all("[data-for]", form).forEach((each) => { each.hidden = !each.dataset.for.split(" ").includes(preset); });
    const stretched = one("[data-weekend]", form).value === "stretched";
    all("[data-stretch]", form).forEach((each) => { each.hidden = !stretched; });
    const quiet = one("[data-quiet]", form).checked;
    all("[data-quiet-from], [data-quiet-to]", form).forEach((each) => { each.disabled = !quiet; });
  }

  // -- what is wrong stands beside its field -------------------------------------------------------------
  function placeOf(path) {
    const [list, number, part] = path.split(".");
    const row = { ranges: "[data-range]", channels: "[data-channel]" }[list];
    if (row && number !== undefined) return all(row, form)[Number(number)] ?? one(`[data-place=""]`, form);
    return one(`[data-place="${list}"]`, form) ?? one(`[data-place=""]`, form);
  }
  const controlOf = (place, path) => one(`[data-part="${path.split(".")[2]}"]`, place) ?? one(".control, input", place);

  function showFaults() {
    all("[data-fault]", form).forEach((each) => each.remove());
    all(".field-bad", form).forEach((each) => each.classList.remove("field-bad"));
    all("[aria-invalid]", form).forEach((each) => each.removeAttribute("aria-invalid"));
    const summary = one(`[data-place=""]`, form);
    const shown = new Set();
    [...faults.save, ...faults.preview].forEach(({ path, text }) => {
      if (shown.has(path)) return;
      shown.add(path);
      const place = placeOf(path);
      const said = document.createElement("p");
      said.className = place === summary ? "" : "error";
      said.dataset.fault = path;
      said.id = `fault-${shown.size}`;
      said.textContent = text;
      place.append(said);
      if (place === summary) return;
      place.classList.add("field-bad");
      const control = controlOf(place, path);
      if (control) {
        control.setAttribute("aria-invalid", "true");
        control.setAttribute("aria-errormessage", said.id);
      }
    });
    summary.hidden = !one("[data-fault]", summary);
    return one("[data-fault]", form);
  }
  const forgetFault = (control) => {
    const place = control.closest("[data-place], [data-range], [data-channel]");
    if (!place) return;
    faults.save = faults.save.filter(({ path }) => path !== "" && placeOf(path) !== place);
    showFaults();
  };

  // -- sending -------------------------------------------------------------------------------------------
  async function post(url, values) {
    const body = new FormData();
    Object.entries({ csrf_token: token, ...values }).forEach(([name, value]) => body.set(name, value));
    try {
      const answer = await fetch(url, { method: "POST", body });
      return { ok: answer.ok, ...(await answer.json()) };
    } catch {
      return { ok: false, problems: [{ path: "", text: words.failed }] };
    }
  }

  async function save() {
    const sent = typed();
    const buttons = all("button[name=do]", form);
    buttons.forEach((each) => { each.disabled = true; });
    const found = await post(data.urls.save, { id: data.id ?? "", seen: data.seen, definition: sent });
    buttons.forEach((each) => { each.disabled = false; });
    faults.save = found.problems || [];
    if (found.seen) data.seen = found.seen;
    if (!found.ok) {
      if (found.stored) faults.save.push({ path: "stored", text: found.stored });
      const first = showFaults();
      const place = first?.closest("[data-place], [data-range], [data-channel]");
      place?.scrollIntoView({ block: "center" });
      (place?.matches(`[data-place=""]`) ? place : controlOf(place, first.dataset.fault))?.focus({ preventScroll: true });
      return null;
    }
    data.id = found.id;
    data.definition = JSON.parse(sent);
    stored = sent;
    one("[data-path=code]", form).readOnly = true;
    window.history.replaceState(null, "", found.edit);
    showFaults();
    state.textContent = typed() === stored ? words.saved : words.unsaved;
    state.classList.add("good");
    return found;
  }

  form.addEventListener("submit", async (event) => {
    const button = event.submitter;
    if (button?.dataset.confirm && agreed !== button) return;
    event.preventDefault();
    // The question's own listener comes after this one and must still see the answer; next time it asks again.
    window.setTimeout(() => { agreed = null; });
    const deed = button?.value ?? "save";
    if (deed === "reset") {
      faults.save = [];
      fill(data.definition);
      edited();
      showFaults();
      return;
    }
    const found = await save();
    if (found && deed === "submit") window.location.assign(found.submit);
  });
  window.addEventListener("beforeunload", (event) => { if (typed() !== stored) event.preventDefault(); });

  // -- kept timings --------------------------------------------------------------------------------------
  const keepDialog = one("#keep");
  function showKept(found) {
    one("[data-kept]", form).replaceChildren(...found.map(({ id, name, timing, mine }) => {
      const item = document.createElement("li");
      const use = document.createElement("button");
      use.type = "button";
      use.className = "chip";
      use.textContent = name;
      use.addEventListener("click", () => {
        const { code, name: called, rules, channels, start_date } = definition();
        const own = { code, name: called, rules, channels, start_date };
        fill({ ...data.defaults, ...timing, ...own, grid: { ...data.defaults.grid, ...timing.grid } });
        edited();
      });
      item.append(use);
      if (mine) {
        const forget = document.createElement("button");
        forget.type = "button";
        forget.className = "word";
        forget.textContent = "×";
        forget.setAttribute("aria-label", words.forget.replace("{name}", name));
        forget.addEventListener("click", async () => {
          const answer = await post(data.urls.forget.replace(/0$/, id), {});
          if (answer.ok) showKept(answer.shortcuts);
          one("[data-keep]", form).focus();
        });
        item.append(forget);
      }
      return item;
    }));
  }
  one("[data-keep]", form).addEventListener("click", () => {
    one("#keep-error").hidden = true;
    keepDialog.showModal();
  });
  one("[data-close]", keepDialog).addEventListener("click", () => keepDialog.close());
  one("[data-keep-form]", keepDialog).addEventListener("submit", async (event) => {
    event.preventDefault();
    const found = await post(data.urls.keep, { name: one("#keep-name").value, definition: typed() });
    one("#keep-error").hidden = found.ok;
    if (!found.ok) { one("#keep-error").textContent = found.problems.map(({ text }) => text).join(" "); return; }
    showKept(found.shortcuts);
    one("#keep-name").value = "";
    keepDialog.close();
  });

  // -- wiring --------------------------------------------------------------------------------------------
  preview = weekPreview(one("[data-preview-panel]", form), {
    url: data.urls.preview,
    token,
    words,
    definition,
    problems: (found) => { faults.preview = found; showFaults(); },
  });
  form.addEventListener("input", (event) => {
    if (event.target.closest("[data-preview-panel], .brushes, [data-week-shortcut], .copy, .checklist-find")) return;
    fit();
    forgetFault(event.target);
    edited();
  });
  one("[data-undo]", form).addEventListener("click", grid.undo);
  one("[data-week-shortcut]", form).addEventListener("change", (event) => {
    if (event.target.value) grid.paintWeek(data.grids[event.target.value]);
    event.target.value = "";
  });
  one("[data-copy]", form).addEventListener("click", () => {
    grid.copy(one("[data-copy-from]", form).value, one("[data-copy-to]", form).value.split(" "));
  });
  one("[data-add-range]", form).addEventListener("click", () => {
    const row = rangeRow({ from: "12:00", to: "14:00", level: "S", days: WEEKDAYS });
    one("[data-ranges]", form).append(row);
    one("[data-part=from]", row).focus();
    edited();
  });
  one("[data-add-channel]", form)?.addEventListener("click", () => {
    const row = rowFrom("channel");
    one("[data-channels]", form).append(row);
    one("[data-part=target]", row).focus();
    edited();
  });
  fill(data.definition);
  showKept(data.shortcuts);
  stored = typed();
  preview.ask();
});
