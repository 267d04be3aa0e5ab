// Charts: one theme, units and tooltips; a bar opens the list behind its number.
"use strict";

const style = getComputedStyle(document.documentElement);
const colour = (name) => style.getPropertyValue(name).trim();

// So many labels of an axis that each has room.
const LABEL = 64;

function theme(data, width) {
  const every = Math.ceil(data.x.length / Math.min(10, Math.max(1, Math.floor(width / LABEL))));
  const shown = data.x.filter((_day, place) => place % every === 0);
  const short = (text) => (/^\d{4}-\d\d-\d\d$/.test(text) ? text.slice(5) : text);
  return {
    font: { family: style.getPropertyValue("--font"), size: 12, color: colour("--ink-2") },
    margin: { l: 48, r: 8, t: 12, b: 32 },
    bargap: 0.3,
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    hoverlabel: { bgcolor: colour("--card"), bordercolor: colour("--line-2"), font: { color: colour("--ink") } },
    xaxis: { type: "category", tickangle: 0, fixedrange: true, showgrid: false, tickvals: shown, ticktext: shown.map(short) },
    yaxis: { fixedrange: true, rangemode: "tozero", gridcolor: colour("--line"), zerolinecolor: colour("--line"), separatethousands: true },
  };
}

// Parts of a whole lie on their side, so that their names can be read.
function lying(data, width) {
  const { xaxis, yaxis, ...rest } = theme(data, width);
  const bars = {
    type: "bar", orientation: "h", x: data.y, y: data.x, marker: { color: colour("--blue-bright") },
    text: data.y.map((n) => n.toLocaleString()), textposition: "outside", textangle: 0, constraintext: "none", cliponaxis: false,
    hovertemplate: `%{y}<br><b>%{x:,}</b> ${data.unit}<extra></extra>`,
  };
  const names = { type: "category", autorange: "reversed", fixedrange: true, automargin: true, showgrid: false };
  // The number behind the longest bar needs room, too.
  const range = [0, Math.max(1, ...data.y) * 1.2];
  return [bars, { ...rest, margin: { ...rest.margin, l: 8 }, xaxis: { ...yaxis, nticks: 4, range }, yaxis: names }];
}

function standing(data, width) {
  const bars = {
    type: "bar", x: data.x, y: data.y, marker: { color: colour("--blue-bright") },
    hovertemplate: `%{x}<br><b>%{y:,}</b> ${data.unit}<extra></extra>`,
  };
  return [bars, theme(data, width)];
}

// Points with their uncertainty, one of which stands out, over the level of the base.
function curve(data, width) {
  const shades = data.x.map((_name, place) => colour(place === data.chosen ? "--ink" : "--blue-bright"));
  const points = {
    type: "scatter", mode: "lines+markers", name: data.title, x: data.x, y: data.y,
    line: { color: colour("--blue-bright"), width: 1.5 }, marker: { color: shades, size: 9 },
    error_y: { type: "data", symmetric: false, thickness: 1.2, width: 4, color: colour("--grey"),
      array: data.y.map((y, place) => (y === null ? null : data.high[place] - y)),
      arrayminus: data.y.map((y, place) => (y === null ? null : y - data.low[place])) },
    customdata: data.x.map((_name, place) => [data.low[place], data.high[place]]),
    hovertemplate: `%{x}<br><b>%{y}</b> ${data.unit}<br>%{customdata[0]} – %{customdata[1]} ${data.unit}<extra></extra>`,
  };
  const layout = { ...theme(data, width), showlegend: false };
  layout.xaxis = { ...layout.xaxis, title: { text: data.along } };
  layout.yaxis = { ...layout.yaxis, ticksuffix: data.unit };
  layout.margin = { ...layout.margin, b: 48 };
  if (data.base !== null) {
    layout.shapes = [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: data.base, y1: data.base, line: { color: colour("--grey"), width: 1, dash: "dash" } }];
    layout.annotations = [{ xref: "paper", x: 1, xanchor: "right", y: data.base, yanchor: "bottom", showarrow: false, text: `${data.base_name} ${data.base}${data.unit}`, font: { size: 11, color: colour("--grey") } }];
  }
  return [[points], layout];
}

function sideBySide(data, width) {
  const shades = [colour("--blue-bright"), colour("--line-2")];
  const bars = data.series.map((each, place) => ({
    type: "bar", name: each.name, x: data.x, y: each.y, marker: { color: shades[place % shades.length] },
    hovertemplate: `%{x} ${each.name}<br><b>%{y:,}</b> ${data.unit}<extra></extra>`,
  }));
  const layout = { ...theme(data, width), showlegend: data.series.length > 1, legend: { orientation: "h", y: 1.15 } };
  return [bars, layout];
}

// Values with their uncertainty, a line each.
function intervals(data, width) {
  const { xaxis, yaxis, ...rest } = theme(data, width);
  const most = Math.max(12, Math.floor(width / 26));
  const names = data.x.map((name) => (name.length > most ? `${name.slice(0, most - 1)}…` : name));
  const points = {
    type: "scatter", mode: "markers", x: data.y, y: data.x.map((_name, place) => place), marker: { color: colour("--blue-bright"), size: 9 }, cliponaxis: false,
    error_x: { type: "data", symmetric: false, thickness: 1.5, width: 5, color: colour("--grey"),
      array: data.y.map((y, place) => data.high[place] - y), arrayminus: data.y.map((y, place) => y - data.low[place]) },
    customdata: data.x.map((name, place) => [name, data.low[place], data.high[place]]),
    hovertemplate: `%{customdata[0]}<br><b>%{x}</b>${data.unit}<br>%{customdata[1]} – %{customdata[2]}${data.unit}<extra></extra>`,
  };
  const layout = {
    ...rest, height: 56 + 28 * Math.max(3, data.x.length), margin: { ...rest.margin, l: 8, r: 16 }, showlegend: false,
    xaxis: { ...yaxis, rangemode: "tozero", zeroline: true, ticksuffix: data.unit, nticks: 6 },
    yaxis: { fixedrange: true, automargin: true, showgrid: false, zeroline: false, range: [data.x.length - 0.5, -0.5], tickvals: data.x.map((_name, place) => place), ticktext: names },
  };
  return [[points], layout];
}

function shape(data, width) {
  if (data.kind === "intervals") { return intervals(data, width); }
  if (data.kind === "curve") { return curve(data, width); }
  if (data.kind === "bars") { return sideBySide(data, width); }
  const [bars, layout] = (data.parts ? lying : standing)(data, width);
  return [[bars], layout];
}

function draw(element) {
  const data = JSON.parse(element.dataset.chart);
  const [traces, layout] = shape(data, element.clientWidth);
  element.replaceChildren();
  if (layout.height) element.style.height = `${layout.height}px`;
  window.Plotly.newPlot(element, traces, layout, { displayModeBar: false, responsive: true });
  if (data.links.length) {
    element.classList.add("chart-opens");
    element.on("plotly_click", (event) => {
      const link = data.links[event.points[0].pointIndex];
      if (link) window.location.assign(link);
    });
  }
}

document.querySelectorAll("[data-chart]").forEach(draw);
