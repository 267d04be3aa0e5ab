import assert from "node:assert/strict";
import { test } from "node:test";
import { isoOf } from "../../app/static/js/date_text.js";

test("a date is read as people type it", () => {
  for (const text of ["2026-03-05", "2026/3/5", "2026.03.05", "20260305", "2026年3月5日", " 3-5 ", "3月5日"]) {
    assert.equal(isoOf(text, "2026-11-30"), "2026-03-05", text);
  }
});

test("what is no day is no date", () => {
  for (const text of ["", "2026-02-29", "2026-13-01", "26-3-5-1", "2026-3", "tomorrow", "202603", "0-0"]) {
    assert.equal(isoOf(text, "2026-11-30"), null, text);
  }
});
