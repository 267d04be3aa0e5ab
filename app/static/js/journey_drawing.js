// The drawing of a journey: boxes for its steps, laid out by dagre, and the ways between them.
import { Graph, layout } from "../vendor/dagre.js";
import { make, one } from "./dom.js";

/**
 * @typedef {{id: string, number: number, kind: string, word: string, text: string, numbers: [string, number][], bad?: boolean}} Node
 * @typedef {{from: string, to: string, text: string}} Edge
 * @typedef {{x: number, y: number}} Point
 * @typedef {{nodes: Node[], edges: Edge[]}} Drawn
 */

const BOX = { width: 184, height: 72 };
const SVG = "http://www.w3.org/2000/svg";
const LABEL = { height: 20, most: 132, letter: 13, padding: 8 };
const ZOOM = { least: 0.25, legible: 0.6, most: 2, step: 1.25 };
const MARGIN = 16;

/**
 * The places of boxes, labels and ways.
 * @param {Drawn} drawn
 */
export function placed({ nodes, edges }) {
  const graph = new Graph({ multigraph: true });
  graph.setGraph({ rankdir: "TB", nodesep: 24, ranksep: 32, edgesep: 16, marginx: MARGIN, marginy: MARGIN });
  for (const { id } of nodes) graph.setNode(id, { ...BOX });
  const ways = edges.filter(({ from, to }) => graph.hasNode(from) && graph.hasNode(to));
  for (const [place, { from, to, text }] of ways.entries()) {
    const width = text ? Math.min(LABEL.most, wide(text)) : 0;
    graph.setEdge(from, to, { width, height: text ? LABEL.height : 0, labelpos: "c" }, String(place));
  }
  layout(graph);
  const { width = 0, height = 0 } = /** @type {{width?: number, height?: number}} */ (graph.graph());
  return {
    width,
    height,
    boxes: nodes.map((node) => ({ node, ...corner(graph.node(node.id)) })),
    ways: ways.map((way, place) => ({ way, ...graph.edge(way.from, way.to, String(place)) })),
  };
}

/** About how wide a text is. @param {string} text */
function wide(text) {
  const letters = [...text].reduce((sum, letter) => sum + (letter.charCodeAt(0) < 256 ? 0.55 : 1), 0);
  return Math.ceil(letters * LABEL.letter) + LABEL.padding;
}

/** @param {any} node */
const corner = ({ x, y }) => ({ left: x - BOX.width / 2, top: y - BOX.height / 2 });

/** A smooth line through points: straight ends, curves about the points between. @param {Point[]} points */
export function line(points) {
  const [first, ...rest] = points;
  const middle = rest.slice(0, -1).map((point, place) => {
    const next = rest[place + 1];
    const end = place === rest.length - 2 ? next : { x: (point.x + next.x) / 2, y: (point.y + next.y) / 2 };
    return `Q${at(point)} ${at(end)}`;
  });
  return `M${at(first)}${middle.length ? middle.join("") : `L${at(rest[0])}`}`;
}

/** @param {Point} point */
const at = ({ x, y }) => `${Math.round(x)} ${Math.round(y)}`;

export class Drawing {
  /**
   * @param {HTMLElement} root
   * @param {(id: string) => void} chosen is called with the step that is clicked
   */
  constructor(root, chosen) {
    this.root = root;
    this.frame = one(".drawing-frame", root);
    this.sheet = one(".drawing-sheet", root);
    this.size = { width: 0, height: 0 };
    this.zoom = 0;
    for (const [name, zoomed] of /** @type {[string, () => number][]} */ ([
      ["in", () => this.zoom * ZOOM.step],
      ["out", () => this.zoom / ZOOM.step],
      ["fit", () => this.fitting()],
    ])) {
      one(`[data-zoom=${name}]`, root).addEventListener("click", () => this.scale(zoomed()));
    }
    this.sheet.addEventListener("click", (event) => {
      const box = /** @type {HTMLElement} */ (event.target).closest("[data-step]");
      if (box) chosen(/** @type {HTMLElement} */ (box).dataset.step ?? "");
    });
  }

  /** @param {Drawn} drawn */
  draw(drawn) {
    const { width, height, boxes, ways } = placed(drawn);
    this.size = { width, height };
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("width", String(width));
    svg.setAttribute("height", String(height));
    const lines = ways.map(({ way, points = [] }) => {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("d", line(points));
      path.dataset.way = `${way.from} ${way.to}`;
      return [path, head(points)];
    });
    svg.append(...lines.flat());
    const labels = ways.filter(({ way }) => way.text).map(label);
    this.sheet.replaceChildren(svg, ...boxes.map(box), ...labels);
    if (this.zoom) return this.scale(this.zoom);
    this.scale(Math.max(ZOOM.legible, this.fitting()));
    if (boxes.length) this.show(boxes[0]);
  }

  /** Bring a box into the middle of the frame. @param {{left: number, top: number}} box */
  show({ left, top }) {
    this.frame.scrollTo({
      left: (left + BOX.width / 2) * this.zoom - this.frame.clientWidth / 2,
      top: (top + BOX.height / 2) * this.zoom - this.frame.clientHeight / 2,
    });
  }

  /** The scale at which the whole width is seen. */
  fitting() {
    return Math.min(1, Math.max(ZOOM.least, this.frame.clientWidth / (this.size.width || 1)));
  }

  /** @param {number} zoom */
  scale(zoom) {
    this.zoom = Math.min(ZOOM.most, Math.max(ZOOM.least, zoom));
    const { width, height } = this.size;
    this.sheet.style.transform = `scale(${this.zoom})`;
    const room = one(".drawing-room", this.frame);
    room.style.width = `${width * this.zoom}px`;
    room.style.height = `${height * this.zoom}px`;
    one("[data-zoomed]", this.root).textContent = `${Math.round(this.zoom * 100)}%`;
  }

  /** Mark a step and bring it into view. @param {string} id */
  mark(id) {
    for (const each of this.sheet.querySelectorAll("[data-step]")) {
      const mine = /** @type {HTMLElement} */ (each).dataset.step === id;
      each.classList.toggle("chosen", mine);
      if (!mine) continue;
      const { offsetLeft, offsetTop } = /** @type {HTMLElement} */ (each);
      this.show({ left: offsetLeft, top: offsetTop });
    }
  }
}

/** The head of an arrow at the end of a line. @param {Point[]} points */
function head(points) {
  const path = document.createElementNS(SVG, "path");
  const end = points[points.length - 1];
  const from = points[points.length - 2];
  const angle = Math.atan2(end.y - from.y, end.x - from.x);
  const wing = (/** @type {number} */ turn) => ({
    x: end.x - 8 * Math.cos(angle + turn),
    y: end.y - 8 * Math.sin(angle + turn),
  });
  path.setAttribute("d", `M${at(end)}L${at(wing(0.45))}L${at(wing(-0.45))}Z`);
  path.setAttribute("class", "arrow");
  return path;
}

/** @param {{node: Node, left: number, top: number}} placed */
function box({ node, left, top }) {
  const head = make("span", { className: "box-head" }, `${node.number} · ${node.word}`);
  const text = make("span", { className: "box-text", textContent: node.text });
  const numbers = node.numbers.map(([word, number]) => make("span", {}, `${word} ${number.toLocaleString()}`));
  const made = make("div", { className: `box box-${node.kind}`, title: node.text }, head, text);
  if (numbers.length) made.append(make("span", { className: "box-numbers" }, ...numbers));
  made.classList.toggle("box-bad", Boolean(node.bad));
  made.dataset.step = node.id;
  Object.assign(made.style, { left: `${left}px`, top: `${top}px`, width: `${BOX.width}px`, height: `${BOX.height}px` });
  return made;
}

/** @param {{way: Edge, x?: number, y?: number, width?: number}} placed */
function label({ way, x = 0, y = 0, width = 0 }) {
  const made = make("div", { className: "way-label", textContent: way.text, title: way.text });
  Object.assign(made.style, {
    left: `${x - width / 2}px`,
    top: `${y - LABEL.height / 2}px`,
    width: `${width}px`,
    height: `${LABEL.height}px`,
  });
  return made;
}
