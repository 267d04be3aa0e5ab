import assert from "node:assert/strict";
import { test } from "node:test";
import { block } from "../../app/static/js/week_grid.js";

test("a block is the same from whichever corner it is drawn", () => {
  const cells = [
    [1, 2],
    [1, 3],
    [2, 2],
    [2, 3],
  ];
  assert.deepEqual(block([1, 2], [2, 3]), cells);
  assert.deepEqual(block([2, 2], [1, 3]), cells);
});
