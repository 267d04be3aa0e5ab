import assert from "node:assert/strict";
import { test } from "node:test";
import { filled } from "../../app/static/js/dom.js";

test("places of a text are filled in, unknown ones stay", () => {
  assert.equal(filled("{day}: {n} 条", { day: "周一", n: 0 }), "周一: 0 条");
  assert.equal(filled("{n} {other}", { n: 1 }), "1 {other}");
});
