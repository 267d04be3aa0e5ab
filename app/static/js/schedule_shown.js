// A stored schedule, read-only.
import { one } from "./dom.js";
import { WeekGrid } from "./week_grid.js";
import { WeekPreview } from "./week_preview.js";

const root = one("[data-schedule]");
const data = JSON.parse(one("[data-schedule-data]", root).textContent ?? "");
/** @type {HTMLInputElement} */
const token = one("[name=csrf_token]", root);
const preview = new WeekPreview(one("[data-preview-panel]", root), {
  url: data.urls.preview,
  token: token.value,
  words: data.words,
  definition: () => data.definition,
});

new WeekGrid(one("[data-grid]", root), data.words).show(data.definition.grid);
preview.ask();
