// Draws charts. A click on a bar opens the list behind its number.
import { init } from "../vendor/echarts.js";
import { height, isHorizontal, options } from "./chart_options.js";
import { all, make, target } from "./dom.js";

/** @import { Data, Look } from "./chart_options.js" */

/** @type {WeakMap<HTMLElement, {chart: ReturnType<typeof init>, data: Data, width: number}>} */
const drawn = new WeakMap();

// An observer also calls at the start. A chart drawn again for nothing would lose a click that is under way.
const resized = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const element = /** @type {HTMLElement} */ (target);
    if (drawn.get(element)?.width !== element.clientWidth) fit(element);
  }
});

/** @param {HTMLElement} element @returns {Look} */
function look(element) {
  return {
    width: element.clientWidth,
    language: document.documentElement.lang,
    font: getComputedStyle(element).fontFamily,
    tip: (head, value, rest) => make("div", {}, head, make("br"), make("b", { textContent: value }), ` ${rest}`),
  };
}

/** @param {HTMLElement} element */
function fit(element) {
  const here = drawn.get(element);
  if (!here) return;
  here.width = element.clientWidth;
  here.chart.resize();
  here.chart.setOption(options(here.data, look(element)), true);
}

/** Draw data into an element, replacing what it shows. @param {HTMLElement} element @param {Data} data */
export function draw(element, data) {
  const here = drawn.get(element);
  if (here) here.data = data;
  else begin(element, data);
  fit(element);
}

/** @param {HTMLElement} element @param {Data} data */
function begin(element, data) {
  element.replaceChildren();
  const pixels = height(data);
  if (pixels) element.style.height = `${pixels}px`;
  const chart = init(element, null, { renderer: "svg" });
  drawn.set(element, { chart, data, width: 0 });
  resized.observe(element);
  if (!data.links.length) return;
  element.classList.add("chart-opens");
  if (data.kind === "ring") {
    chart.on("click", ({ dataIndex }) => {
      if (data.links[dataIndex]) window.location.assign(data.links[dataIndex]);
    });
    return;
  }
  // The element's own event: the chart's is lost when what was pressed is drawn again before the release.
  element.addEventListener("click", ({ clientX, clientY }) => {
    const { left, top } = element.getBoundingClientRect();
    const place = [clientX - left, clientY - top];
    if (!chart.containPixel({ gridIndex: 0 }, place)) return;
    const link = data.links[chart.convertFromPixel({ gridIndex: 0 }, place)[isHorizontal(data) ? 1 : 0]];
    if (link) window.location.assign(link);
  });
}

/** Draw all charts in a part of the page. @param {ParentNode} [root] */
export function drawAll(root) {
  for (const element of all("[data-chart]", root)) draw(element, JSON.parse(element.dataset.chart ?? ""));
}

drawAll();
document.body.addEventListener("htmx:afterSwap", (event) => drawAll(target(event)));
