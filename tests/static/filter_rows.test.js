import assert from "node:assert/strict";
import { test } from "node:test";
import { fieldsOf } from "../../app/static/js/filter_rows.js";

const shown = (kind, op) =>
  Object.entries(fieldsOf(kind, op))
    .filter(([, is]) => is)
    .map(([name]) => name);

test("a row has the fields that its test needs", () => {
  assert.deepEqual(shown("", ""), []);
  assert.deepEqual(shown("money", ">="), ["op", "value"]);
  assert.deepEqual(shown("money", "fell_by"), ["op", "value", "days"]);
  assert.deepEqual(shown("metric", "<"), ["op", "value", "days"]);
  assert.deepEqual(shown("event", "has_not"), ["op", "days"]);
  assert.deepEqual(shown("count", ">="), ["value", "days"]);
});
