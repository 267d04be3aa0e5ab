import assert from "node:assert/strict";
import { test } from "node:test";
import { freeId, insert, insertOn, madeStep, moveUp, remove, waysOf } from "../../app/static/js/journey_steps.js";

const end = () => madeStep("end", "end", "");
const chain = () => [
  madeStep("sms", "sms1", "wait1"),
  madeStep("wait", "wait1", "call1"),
  madeStep("call", "call1", "end"),
  end(),
];
const ids = (steps) => steps.map(({ id }) => id);
const ways = (steps) => Object.fromEntries(steps.map((step) => [step.id, waysOf(step).map(({ to }) => to)]));

test("what is added before the end is where everybody starts", () => {
  const steps = [end()];
  insert(steps, 0, madeStep("call", "call1", ""));
  assert.deepEqual(ways(steps), { call1: ["end"], end: [] });
});

test("what is added after a step goes on to where that led", () => {
  const steps = chain();
  insert(steps, 0, madeStep("tag", "tag1", ""));
  assert.deepEqual(ids(steps), ["sms1", "tag1", "wait1", "call1", "end"]);
  assert.deepEqual([ways(steps).sms1, ways(steps).tag1], [["tag1"], ["wait1"]]);
});

test("after a wait for an answer it goes on for who did not answer", () => {
  const steps = [{ ...madeStep("wait", "wait1", "end"), until: "answered", timeout: "end" }, end()];
  insert(steps, 0, madeStep("call", "call1", ""));
  assert.deepEqual(ways(steps), { wait1: ["end", "call1"], call1: ["end"], end: [] });
});

test("a branch that is added has all its ways to the next step", () => {
  const steps = chain();
  insert(steps, 1, madeStep("branch", "ask1", ""));
  assert.deepEqual(ways(steps).ask1, ["call1", "call1"]);
  insertOn(steps, 2, waysOf(steps[2])[0], madeStep("sms", "sms2", ""));
  assert.deepEqual([ways(steps).ask1, ways(steps).sms2], [["sms2", "call1"], ["call1"]]);
});

test("what is added after a strategy table is for those whom a row answers", () => {
  const steps = chain();
  insert(steps, 0, madeStep("strategy", "table1", ""));
  insert(steps, 1, madeStep("task", "task1", ""));
  assert.deepEqual([ways(steps).table1, ways(steps).task1], [["task1", "wait1"], ["wait1"]]);
  steps[1].held = "end";
  assert.deepEqual(ways(steps).table1, ["task1", "wait1", "end"]);
  remove(steps, 1);
  assert.deepEqual(ways(steps).sms1, ["task1"]);
});

test("two steps of a chain change places in what happens", () => {
  const steps = chain();
  moveUp(steps, 1);
  assert.deepEqual(ids(steps), ["wait1", "sms1", "call1", "end"]);
  assert.deepEqual(ways(steps), { wait1: ["sms1"], sms1: ["call1"], call1: ["end"], end: [] });
  moveUp(steps, 1);
  assert.deepEqual(ways(steps), ways(chain()));
});

test("steps that don't follow each other only stand elsewhere", () => {
  const steps = chain();
  moveUp(steps, 3);
  assert.deepEqual(ids(steps), ["sms1", "wait1", "end", "call1"]);
  assert.deepEqual(ways(steps), ways(chain()));
});

test("who led to a removed step leads to where that led", () => {
  const steps = chain();
  remove(steps, 1);
  assert.deepEqual(ways(steps), { sms1: ["call1"], call1: ["end"], end: [] });
  remove(steps, 2);
  assert.deepEqual(ways(steps), { sms1: ["call1"], call1: [""] });
});

test("an id is new", () => {
  assert.equal(freeId("sms", new Set(["sms1", "sms2"])), "sms3");
  assert.equal(freeId("end", new Set()), "end");
  assert.equal(freeId("end", new Set(["end"])), "end1");
});
