// The steps of a journey as plain data: their ways on, and how adding, moving and removing change them.

/**
 * @typedef {{rows: object[], then: string}} Case
 * @typedef {Record<string, any> & {id: string, do: string}} Step
 * @typedef {{name: string, to: string, set: (to: string) => void}} Way
 */

/** The kinds of steps as people see them, with how their ids begin. @type {Record<string, string>} */
export const KINDS = {
  sms: "sms",
  call: "call",
  wait: "wait",
  branch: "ask",
  strategy: "table",
  split: "split",
  task: "task",
  tag: "tag",
  hand: "hand",
  webhook: "hook",
  end: "end",
};

/** @param {Step} step */
export const kindOf = (step) => (step.do === "contact" ? step.channel : step.do);

/** The ways on from a step, in the order of the server. @param {Step} step @returns {Way[]} */
export function waysOf(step) {
  /** @param {any} holder @param {string | number} key @param {string} name */
  const way = (holder, key, name = String(key)) => ({
    name,
    to: holder[key] ?? "",
    set: (/** @type {string} */ to) => {
      holder[key] = to;
    },
  });
  if (step.do === "end") return [];
  if (step.do === "branch") {
    const cases = step.cases.map((/** @type {Case} */ each, /** @type {number} */ place) =>
      way(each, "then", `cases.${place}.then`),
    );
    return [...cases, way(step, "else")];
  }
  if (step.do === "strategy") {
    return [way(step, "then"), way(step, "else"), ...(step.held ? [way(step, "held")] : [])];
  }
  if (step.do === "split") {
    return step.parts.map((/** @type {[string, number]} */ part, /** @type {number} */ place) =>
      way(part, 0, `parts.${place}`),
    );
  }
  const other = step.do === "contact" ? "held" : step.do === "wait" && step.until ? "timeout" : "";
  const has = other && (other === "timeout" || step.held);
  return [way(step, "then"), ...(has ? [way(step, other)] : [])];
}

/** The way that is continued by what is added after a step: the usual one, or the last of several. @param {Step} step */
const mainWay = (step) => waysOf(step).at(["contact", "strategy"].includes(step.do) ? 0 : -1);

/** An id that no step has or had. @param {string} kind @param {Set<string>} taken */
export function freeId(kind, taken) {
  const begin = KINDS[kind];
  if (kind === "end" && !taken.has(begin)) return begin;
  let number = 1;
  while (taken.has(`${begin}${number}`)) number += 1;
  return `${begin}${number}`;
}

/** A new step of a kind, which leads to another. @param {string} kind @param {string} id @param {string} to @returns {Step} */
export function madeStep(kind, id, to) {
  if (kind === "sms" || kind === "call") return { id, do: "contact", channel: kind, template: "", then: to };
  if (kind === "wait") return { id, do: "wait", days: 1, then: to };
  if (kind === "branch") return { id, do: "branch", cases: [{ rows: [{}], then: to }], else: to };
  if (kind === "strategy") return { id, do: "strategy", table: "", then: to, else: to };
  if (kind === "split") {
    return {
      id,
      do: "split",
      parts: [
        [to, 50],
        ["", 50],
      ],
    };
  }
  if (kind === "task") return { id, do: "task", title: "", due_days: 1, then: to };
  if (kind === "tag") return { id, do: "tag", add: [], remove: [], then: to };
  if (kind === "hand") return { id, do: "hand", to: "owner", then: to };
  if (kind === "webhook") return { id, do: "webhook", target: "", then: to };
  return { id, do: "end" };
}

/** Let all ways to a step lead to another. @param {Step[]} steps @param {string} from @param {string} to @param {Step} [but] */
export function lead(steps, from, to, but) {
  for (const step of steps) {
    if (step === but) continue;
    for (const way of waysOf(step)) if (way.to === from) way.set(to);
  }
}

/** Put a new step behind another one, or before an end. @param {Step[]} steps @param {number} place @param {Step} step */
export function insert(steps, place, step) {
  const old = steps[place];
  const way = old && mainWay(old);
  if (!old) steps.push(step);
  else if (way) {
    aim(step, way.to);
    way.set(step.id);
    steps.splice(place + 1, 0, step);
  } else {
    lead(steps, old.id, step.id);
    aim(step, old.id);
    steps.splice(place, 0, step);
  }
}

/** Put a new step on a way of another one. @param {Step[]} steps @param {number} place @param {Way} way @param {Step} step */
export function insertOn(steps, place, way, step) {
  aim(step, way.to);
  way.set(step.id);
  steps.splice(place + 1, 0, step);
}

/** Let a new step lead to another one. @param {Step} step @param {string} to */
function aim(step, to) {
  for (const way of step.do === "split" ? waysOf(step).slice(0, 1) : waysOf(step)) way.set(to);
}

/** Take a step out: who led to it leads to where it led. @param {Step[]} steps @param {number} place */
export function remove(steps, place) {
  const [gone] = steps.splice(place, 1);
  const to = mainWay(gone)?.to ?? "";
  lead(steps, gone.id, to === gone.id ? "" : to);
}

/** Move a step before the one before it; two of a chain change places in what happens, too. @param {Step[]} steps @param {number} place */
export function moveUp(steps, place) {
  const step = steps[place];
  const before = steps[place - 1];
  const [way, ...others] = waysOf(step);
  const [wayBefore, ...othersBefore] = waysOf(before);
  if (way && wayBefore && !others.length && !othersBefore.length && wayBefore.to === step.id) {
    lead(steps, before.id, step.id, step);
    wayBefore.set(way.to === before.id ? "" : way.to);
    way.set(before.id);
  }
  steps.splice(place - 1, 2, step, before);
}
