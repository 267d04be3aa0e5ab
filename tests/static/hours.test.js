import assert from "node:assert/strict";
import { test } from "node:test";
import { hoursText, inside } from "../../app/static/js/hours.js";

const words = { day: "（次日）", whole_day: "全天" };

test("a later start than end goes past midnight", () => {
  assert.deepEqual(
    [9, 17, 18].map((hour) => inside(hour, 9, 18)),
    [true, true, false],
  );
  assert.deepEqual(
    [22, 5, 6, 21].map((hour) => inside(hour, 22, 6)),
    [true, true, false, false],
  );
});

test("hours are shown in words", () => {
  assert.equal(hoursText(0, 24, words), "全天");
  assert.equal(hoursText(9, 18, words), "09:00 – 18:00");
  assert.equal(hoursText(22, 6, words), "22:00 – 06:00 （次日）");
});
