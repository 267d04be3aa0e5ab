// Charts: one theme, units and tooltips; a bar opens the list behind its number.
"use strict";

const style = getComputedStyle(document.documentElement);
const colour = (name) => style.getPropertyValue(name).trim();

function theme(data) {
  const every = Math.ceil(data.x.length / (window.innerWidth < 768 ? 5 : 10));
  const shown = data.x.filter((_day, place) => place % every === 0);
  return {
    font: { family: style.getPropertyValue("--font"), size: 12, color: colour("--ink-2") },
    margin: { l: 48, r: 8, t: 12, b: 32 },
    bargap: 0.3,
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    hoverlabel: { bgcolor: colour("--card"), bordercolor: colour("--line-2"), font: { color: colour("--ink") } },
    xaxis: { type: "category", tickangle: 0, fixedrange: true, showgrid: false, tickvals: shown, ticktext: shown.map((day) => day.slice(5)) },
    yaxis: { fixedrange: true, rangemode: "tozero", gridcolor: colour("--line"), zerolinecolor: colour("--line"), separatethousands: true },
  };
}

// Parts of a whole lie on their side, so that their names can be read.
function lying(data) {
  const { xaxis, yaxis, ...rest } = theme(data);
  const bars = {
    type: "bar", orientation: "h", x: data.y, y: data.x, marker: { color: colour("--blue-bright") },
    text: data.y.map((n) => n.toLocaleString()), textposition: "auto", cliponaxis: false,
    hovertemplate: `%{y}<br><b>%{x:,}</b> ${data.unit}<extra></extra>`,
  };
  const names = { type: "category", autorange: "reversed", fixedrange: true, automargin: true, showgrid: false };
  return [bars, { ...rest, margin: { ...rest.margin, l: 8 }, xaxis: { ...yaxis, nticks: 4 }, yaxis: names }];
}

function standing(data) {
  const bars = {
    type: "bar", x: data.x, y: data.y, marker: { color: colour("--blue-bright") },
    hovertemplate: `%{x}<br><b>%{y:,}</b> ${data.unit}<extra></extra>`,
  };
  return [bars, theme(data)];
}

function draw(element) {
  const data = JSON.parse(element.dataset.chart);
  const [bars, layout] = (data.parts ? lying : standing)(data);
  element.replaceChildren();
  window.Plotly.newPlot(element, [bars], layout, { displayModeBar: false, responsive: true });
  if (data.links.length) {
    element.classList.add("chart-opens");
    element.on("plotly_click", (event) => {
      const link = data.links[event.points[0].pointIndex];
      if (link) window.location.assign(link);
    });
  }
}

document.querySelectorAll("[data-chart]").forEach(draw);
