import assert from "node:assert/strict";
import { test } from "node:test";
import { linesOf } from "../../app/static/js/stream.js";

test("a line cut between two pieces comes whole, also within a letter", async () => {
  const bytes = new TextEncoder().encode('{"n":1}\n{"text":"华东"}\n');
  const pieces = [bytes.slice(0, 12), bytes.slice(12, 19), bytes.slice(19)];
  const found = [];
  for await (const line of linesOf(ReadableStream.from(pieces))) found.push(line);
  assert.deepEqual(found, [{ n: 1 }, { text: "华东" }]);
});
