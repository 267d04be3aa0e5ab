// The options of Apache ECharts for the data of app/console/charts.py: one theme, units and tooltips.

/**
 * @typedef {object} Data the data of a chart, from Chart, Intervals, Curve and Bars on the server
 * @property {"bars" | "curve" | "intervals" | "ring" | "spark"} [kind]
 * @property {string} title
 * @property {string} unit
 * @property {string[]} x
 * @property {(number | null)[]} y
 * @property {string[]} links
 * @property {boolean} [parts]
 * @property {number[]} [low]
 * @property {number[]} [high]
 * @property {number | null} [base]
 * @property {string} [base_name]
 * @property {number} [chosen]
 * @property {string} [along]
 * @property {{name: string, y: number[]}[]} [series]
 * @property {boolean} [stacked]
 *
 * @typedef {object} Look the page around the chart
 * @property {number} width
 * @property {string} language
 * @property {string} font
 * @property {(head: string, value: string, rest: string) => HTMLElement} tip draws a tooltip
 */

const ROW = 28;
/** The style sheet's variables: SVG resolves them, so that a drawn chart follows the page from light to dark and to paper. */
const COLOURS = {
  blue: "var(--blue-bright)",
  grey: "var(--grey)",
  ink: "var(--ink)",
  ink2: "var(--ink-2)",
  line: "var(--line)",
  line2: "var(--line-2)",
  card: "var(--card)",
};
/** The colours of the parts of a ring, which are told apart by their names beside them as well. */
const RING = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => `var(--part-${n})`);

/** A date without its year; other text as it is. @param {string} text */
export const short = (text) => (/^\d{4}-\d\d-\d\d$/.test(text) ? text.slice(5) : text);

/** The label of an axis value: 1.2万 or 12K from ten thousand on. @param {number} n @param {string} language */
export function axisNumber(n, language) {
  const style = Math.abs(n) < 10_000 ? {} : { notation: /** @type {const} */ ("compact"), maximumFractionDigits: 1 };
  return new Intl.NumberFormat(language, style).format(n);
}

/** The height of a chart in pixels, null if it is fixed by the style sheet. @param {Data} data */
export const height = (data) => (data.kind === "intervals" ? 56 + ROW * Math.max(3, data.x.length) : null);

/** Whether the bars are horizontal, with the categories in a column. @param {Data} data */
export const isHorizontal = (data) => data.kind === "intervals" || (data.kind !== "ring" && Boolean(data.parts));

/** @param {Data} data @param {Look} look @returns {Record<string, any>} */
export function options(data, look) {
  if (data.kind === "ring") return ring(data, look);
  if (data.kind === "spark") return spark(data, look);
  const drawn = data.kind ? { intervals, curve, bars: sideBySide }[data.kind] : bars;
  const axes = [names(data, look), values(data, look)];
  return {
    animation: false,
    textStyle: { fontFamily: look.font, fontSize: 12, color: COLOURS.ink2 },
    grid: { left: 4, right: room(data, look), top: 16, bottom: 4, outerBoundsMode: "same", outerBoundsContain: "all" },
    tooltip: tooltipOf(data, look, "axis"),
    [isHorizontal(data) ? "yAxis" : "xAxis"]: axes[0],
    [isHorizontal(data) ? "xAxis" : "yAxis"]: axes[1],
    ...drawn(data, look),
  };
}

/** Parts of a whole as a ring, each with its name and share. @param {Data} data @param {Look} look */
function ring(data, look) {
  const names = data.x.map((name) => ({ name: name.length > 8 && look.width < 360 ? `${name.slice(0, 7)}…` : name }));
  return {
    animation: false,
    color: RING,
    textStyle: { fontFamily: look.font, fontSize: 12, color: COLOURS.ink2 },
    tooltip: tooltipOf(data, look, "item"),
    series: [
      {
        type: "pie",
        radius: ["46%", "70%"],
        data: data.y.map((value, at) => ({ value, ...names[at] })),
        itemStyle: { borderColor: COLOURS.card, borderWidth: 2 },
        label: { color: COLOURS.ink2, formatter: share, lineHeight: 16 },
        labelLine: { length: 8, length2: 8 },
      },
    ],
  };
}

/** A small line without axes, beside the number whose trend it is. @param {Data} data @param {Look} look */
function spark(data, look) {
  const color = COLOURS.blue;
  const hidden = { show: false };
  return {
    animation: false,
    textStyle: { fontFamily: look.font, fontSize: 12 },
    grid: { left: 2, right: 2, top: 4, bottom: 2 },
    tooltip: { ...tooltipOf(data, look, "axis"), confine: false, axisPointer: { type: "line" } },
    xAxis: { ...hidden, type: "category", boundaryGap: false, data: data.x },
    yAxis: { ...hidden, type: "value", min: 0 },
    series: [
      {
        type: "line",
        data: data.y,
        showSymbol: false,
        lineStyle: { color, width: 1.5 },
        itemStyle: { color },
        areaStyle: { color, opacity: 0.12 },
      },
    ],
  };
}

/** @param {{name: string, percent: number}} part */
const share = ({ name, percent }) => `${name}\n${percent.toFixed(1)}%`;

/** @param {Data} data @param {Look} look @param {"axis" | "item"} trigger */
function tooltipOf(data, look, trigger) {
  /** @typedef {{dataIndex: number}} Point */
  return {
    trigger,
    axisPointer: { type: "shadow" },
    confine: true,
    backgroundColor: COLOURS.card,
    borderColor: COLOURS.line2,
    textStyle: { color: COLOURS.ink },
    formatter: (/** @type {Point | Point[]} */ point) =>
      tooltip(data, look, (Array.isArray(point) ? point[0] : point).dataIndex),
  };
}

/** The right margin, which holds the number behind the longest bar. @param {Data} data @param {Look} look */
function room(data, look) {
  if (!data.parts) return 16;
  const longest = Math.max(...data.y.map((n) => Number(n).toLocaleString(look.language).length));
  return 12 + 8 * longest;
}

/** @param {Data} data @param {Look} look */
function names(data, look) {
  const horizontal = isHorizontal(data) && { width: Math.floor(look.width * 0.4), overflow: "truncate", interval: 0 };
  return {
    type: "category",
    data: data.x,
    inverse: isHorizontal(data),
    name: data.along,
    nameLocation: "middle",
    axisTick: { show: false },
    axisLine: { lineStyle: { color: COLOURS.line2 } },
    axisLabel: { formatter: short, color: COLOURS.ink2, hideOverlap: true, showMaxLabel: true, ...horizontal },
  };
}

/** @param {Data} data @param {Look} look */
function values(data, look) {
  const whole = data.kind !== "intervals" && data.kind !== "curve";
  return {
    type: "value",
    minInterval: whole ? 1 : 0,
    splitNumber: 4,
    splitLine: { lineStyle: { color: COLOURS.line } },
    axisLabel: {
      color: COLOURS.ink2,
      hideOverlap: true,
      formatter: (/** @type {number} */ n) => axisNumber(n, look.language) + (whole ? "" : data.unit),
    },
  };
}

/** The tooltip of the value at an index. @param {Data} data @param {Look} look @param {number} at */
function tooltip(data, look, at) {
  const say = (/** @type {number | null} */ n) => (n === null ? "—" : n.toLocaleString(look.language));
  if (data.series) {
    const lines = data.series.map((each) => `${data.series?.length === 1 ? "" : `${each.name} `}${say(each.y[at])}`);
    return look.tip(data.x[at], lines.join(" · "), data.unit);
  }
  const between = data.low && data.high ? ` (${say(data.low[at])} – ${say(data.high[at])} ${data.unit})` : "";
  return look.tip(data.x[at], say(data.y[at]), data.unit + between);
}

/** Vertical bars, or horizontal ones for parts of a whole, so that their names are readable. @param {Data} data @param {Look} look */
function bars(data, look) {
  const label = {
    show: true,
    position: "right",
    color: COLOURS.ink2,
    formatter: (/** @type {{value: number}} */ { value }) => value.toLocaleString(look.language),
  };
  const color = COLOURS.blue;
  return {
    series: [{ type: "bar", barMaxWidth: 56, data: data.y, itemStyle: { color }, ...(data.parts && { label }) }],
  };
}

/** Bars of several series, beside each other or stacked. @param {Data} data */
function sideBySide({ series = [], stacked = false }) {
  const shades = stacked ? RING : [COLOURS.blue, COLOURS.line2];
  return {
    legend: {
      show: series.length > 1,
      top: 0,
      right: 8,
      itemWidth: 12,
      itemHeight: 12,
      textStyle: { color: COLOURS.ink2 },
    },
    series: series.map(({ name, y }, place) => ({
      type: "bar",
      barMaxWidth: 56,
      name,
      data: y,
      itemStyle: { color: shades[place] },
      ...(stacked && { stack: "all" }),
    })),
  };
}

/** A curve of points with intervals, the chosen one highlighted, over the level of the base. @param {Data} data */
function curve(data) {
  const grey = COLOURS.grey;
  const last = data.y.filter((y) => y !== null).at(-1) ?? 0;
  const base = {
    silent: true,
    symbol: "none",
    lineStyle: { color: grey, type: "dashed", width: 1 },
    label: {
      // The side of the level where the curve isn't.
      position: last > (data.base ?? 0) ? "insideEndBottom" : "insideEndTop",
      color: grey,
      fontSize: 11,
      formatter: `${data.base_name} ${data.base}${data.unit}`,
    },
    data: [{ yAxis: data.base }],
  };
  const line = { type: "line", data: data.y, showSymbol: false, lineStyle: { color: COLOURS.blue, width: 1.5 } };
  const level = data.base === null ? {} : { markLine: base };
  return { series: [{ ...line, ...level }, points(data)] };
}

/** Values with their intervals, one line each. @param {Data} data */
function intervals(data) {
  return { series: [points(data)] };
}

/** A point with whiskers for each value. @param {Data} data */
function points(data) {
  const horizontal = isHorizontal(data);
  const { low = [], high = [] } = data;
  const known = data.y.map((y, at) => [at, y, low[at], high[at]]).filter(([, y]) => y !== null);
  return {
    type: "custom",
    data: known,
    encode: horizontal ? { x: [1, 2, 3], y: 0 } : { x: 0, y: [1, 2, 3] },
    renderItem: (/** @type {unknown} */ _params, /** @type {{value: Function, coord: Function}} */ api) => {
      const [at, y, from, to] = [0, 1, 2, 3].map((part) => api.value(part));
      const place = (/** @type {number} */ value) => api.coord(horizontal ? [value, at] : [at, value]);
      const fill = at === data.chosen ? COLOURS.ink : COLOURS.blue;
      return { type: "group", children: [...whiskers(place(from), place(to), COLOURS.grey), dot(place(y), fill)] };
    },
  };
}

/** @param {number[]} end @param {string} fill */
const dot = ([cx, cy], fill) => ({ type: "circle", shape: { cx, cy, r: 4.5 }, style: { fill } });

/** A line between two points with a cap at each end. @param {number[]} from @param {number[]} to @param {string} stroke */
function whiskers([x1, y1], [x2, y2], stroke) {
  const line = (/** @type {number[]} */ [a, b, c, d]) => ({
    type: "line",
    shape: { x1: a, y1: b, x2: c, y2: d },
    style: { stroke, lineWidth: 1.5 },
  });
  const across = y1 === y2 ? [0, 5] : [5, 0];
  const cap = (/** @type {number} */ x, /** @type {number} */ y) =>
    line([x - across[0], y - across[1], x + across[0], y + across[1]]);
  return [line([x1, y1, x2, y2]), cap(x1, y1), cap(x2, y2)];
}
