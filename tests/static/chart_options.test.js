import assert from "node:assert/strict";
import { test } from "node:test";
import { axisNumber, height, options, short } from "../../app/static/js/chart_options.js";

const look = (language = "zh-CN", width = 390) => ({
  width,
  language,
  font: "sans-serif",
  tip: (head, value, rest) => `${head}|${value}|${rest}`,
});
const days = { title: "", unit: "次", x: ["2026-11-01", "2026-11-02"], y: [12345, 0], links: [] };
const tip = (data, language, at = 0) => options(data, look(language)).tooltip.formatter([{ dataIndex: at }]);

test("axes count in the language's own steps", () => {
  assert.equal(axisNumber(9500, "zh-CN"), "9,500");
  assert.equal(axisNumber(12000, "zh-CN"), "1.2万");
  assert.equal(axisNumber(12000, "en"), "12K");
  assert.equal(short("2026-11-01"), "11-01");
  assert.equal(short("R-1"), "R-1");
});

test("days stand, parts lie with their numbers behind them", () => {
  const standing = options(days, look());
  assert.deepEqual(standing.xAxis.data, days.x);
  assert.deepEqual(standing.series[0].data, [12345, 0]);
  assert.equal(standing.series[0].label, undefined);
  const lying = options({ ...days, x: ["官网", "网点"], parts: true }, look());
  assert.deepEqual(lying.yAxis.data, ["官网", "网点"]);
  assert.equal(lying.yAxis.inverse, true);
  assert.equal(lying.yAxis.axisLabel.width, 156);
  assert.equal(lying.series[0].label.formatter({ value: 12345 }), "12,345");
});

test("a tooltip says the name, the number and its unit", () => {
  assert.equal(tip(days, "zh-CN"), "2026-11-01|12,345|次");
  const two = {
    ...days,
    kind: "bars",
    series: [
      { name: "v2", y: [3, 4] },
      { name: "v1", y: [5, 6] },
    ],
  };
  assert.equal(tip(two, "en", 1), "2026-11-02|v2 4 · v1 6|次");
  assert.equal(options(two, look()).legend.show, true);
  const curve = {
    ...days,
    kind: "curve",
    unit: "%",
    y: [4.5, null],
    low: [3, 0],
    high: [6, 100],
    base: 4,
    base_name: "基准",
  };
  assert.equal(tip(curve, "zh-CN"), "2026-11-01|4.5|% (3 – 6 %)");
  assert.equal(tip(curve, "zh-CN", 1), "2026-11-02|—|% (0 – 100 %)");
});

test("an interval is a dot between two whiskers; a point without a value is left out", () => {
  const rows = { ...days, kind: "intervals", unit: "%", x: ["A", "B"], y: [20, null], low: [10, 0], high: [30, 0] };
  assert.equal(height(rows), 140);
  assert.equal(height(days), null);
  const { series, xAxis } = options(rows, look());
  assert.equal(xAxis.axisLabel.formatter(10), "10%");
  assert.deepEqual(series[0].data, [[0, 20, 10, 30]]);
  const api = { value: (part) => series[0].data[0][part], coord: ([value, row]) => [value * 10, row] };
  const { children } = series[0].renderItem({}, api);
  assert.deepEqual(
    children.map(({ type }) => type),
    ["line", "line", "line", "circle"],
  );
  assert.deepEqual(children[0].shape, { x1: 100, y1: 0, x2: 300, y2: 0 });
  assert.deepEqual(children[1].shape, { x1: 100, y1: -5, x2: 100, y2: 5 });
  assert.equal(children[3].shape.cx, 200);
});

test("the curve has the level of the base and one point that stands out", () => {
  const curve = { ...days, kind: "curve", y: [1, 2], low: [0, 1], high: [2, 3], base: 4, base_name: "基准", chosen: 1 };
  const [line, points] = options(curve, look()).series;
  assert.deepEqual(line.markLine.data, [{ yAxis: 4 }]);
  const fill = (row) => {
    const api = { value: (part) => points.data[row][part], coord: (place) => place };
    return points.renderItem({}, api).children.at(-1).style.fill;
  };
  assert.deepEqual([fill(0), fill(1)], ["var(--blue-bright)", "var(--ink)"]);
  assert.equal(options({ ...curve, base: null }, look()).series[0].markLine, undefined);
  const label = (base) => options({ ...curve, base }, look()).series[0].markLine.label.position;
  assert.deepEqual([label(4), label(1)], ["insideEndTop", "insideEndBottom"], "beside the curve, not on it");
});

test("a ring has its parts with names and shares, and no axes", () => {
  const data = { ...days, kind: "ring", parts: true, x: ["官网预约", "搜索引擎"], y: [3, 1] };
  const drawn = options(data, look());
  assert.deepEqual(drawn.series[0].data, [
    { name: "官网预约", value: 3 },
    { name: "搜索引擎", value: 1 },
  ]);
  assert.equal(drawn.series[0].label.formatter({ name: "官网预约", percent: 75 }), "官网预约\n75.0%");
  assert.equal(drawn.tooltip.formatter({ dataIndex: 1 }), "搜索引擎|1|次");
  assert.equal(drawn.xAxis, undefined);
});
