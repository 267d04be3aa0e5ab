import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { rendered, smsLength } from "../../app/static/js/sms.js";

const TABLE = JSON.parse(readFileSync(new URL("../data/sms_lengths.json", import.meta.url), "utf-8"));

test("texts are made and counted as the server does", () => {
  for (const { text, times, body, values, opt_out, ...length } of TABLE) {
    if (body !== undefined) assert.equal(rendered(body, values, opt_out), text);
    assert.deepEqual(smsLength(text.repeat(times ?? 1)), length);
  }
});

test("a variable without a value stays", () => {
  assert.equal(rendered("{surname}{fact:aum}", { surname: "王" }, ""), "王{fact:aum}");
});
