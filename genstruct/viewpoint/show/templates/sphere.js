// The sphere: thumbnails of groups where they were taken from. `panel.js` shows what is opened.
const data = JSON.parse(document.getElementById("data").textContent);
const { photos, nodes, atlas, shape } = data;
const canvas = document.getElementById("sphere");
const pen = canvas.getContext("2d");
const RADIANS = Math.PI / 180;
const still = matchMedia("(prefers-reduced-motion: reduce)");
const view = { azimuth: 30, elevation: 20, zoom: 1, node: -1, hits: [], spaced: new Set(), width: 0, height: 0 };

function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function picture(text) {
  const image = new Image();
  image.src = URL.createObjectURL(new Blob([bytes(text)], { type: "image/webp" }));
  image.addEventListener("load", () => redraw());
  return image;
}

const sheets = atlas.sheets.map(picture);
const turntable = picture(shape.sheet);

// Where the tile of a photo is: its sheet, left and top in pixels.
function tile(photo) {
  const each = atlas.columns ** 2;
  const place = photo % each;
  return [Math.floor(photo / each), (place % atlas.columns) * atlas.side, Math.floor(place / atlas.columns) * atlas.side];
}

const directions = nodes.azimuth.map((azimuth, node) => direction(azimuth, nodes.elevation[node]));

function direction(azimuth, elevation) {
  const flat = Math.cos(elevation * RADIANS);
  return [flat * Math.sin(azimuth * RADIANS), Math.sin(elevation * RADIANS), flat * Math.cos(azimuth * RADIANS)];
}

// Right, up and towards the reader, who looks from azimuth and elevation of the view.
function seen([x, y, z]) {
  const a = view.azimuth * RADIANS;
  const e = view.elevation * RADIANS;
  const near = x * Math.sin(a) + z * Math.cos(a);
  return [
    x * Math.cos(a) - z * Math.sin(a),
    y * Math.cos(e) - near * Math.sin(e),
    y * Math.sin(e) + near * Math.cos(e),
  ];
}

function radius() {
  return view.zoom * Math.max(60, Math.min(view.width, view.height) / 2 - 34);
}

function place(point) {
  const [right, up, near] = seen(point);
  return [view.width / 2 + radius() * right, view.height / 2 - radius() * up, near];
}

function side(node) {
  const base = Math.min(56, Math.max(30, view.width / 14));
  return base * (0.8 + 0.12 * Math.min(3, Math.log2(nodes.size[node])));
}

// Groups far enough apart on the sphere to be pictures, the largest first; the others are dots. This does not depend on
// where one looks from, so that nothing flickers while the sphere turns.
function space() {
  const apart = (0.62 * side(0)) / radius();
  const order = nodes.size.map((_, node) => node).sort((a, b) => nodes.size[b] - nodes.size[a] || a - b);
  const kept = [];
  for (const node of order) {
    const [x, y, z] = directions[node];
    const free = kept.every(([u, v, w]) => x * u + y * v + z * w < Math.cos(apart));
    if (free) kept.push(directions[node]);
    if (free) view.spaced.add(node);
    else view.spaced.delete(node);
  }
}

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name);
}

function curve(points) {
  pen.beginPath();
  let open = false;
  for (const point of points) {
    const [x, y, near] = place(point);
    if (near > 0 && open) pen.lineTo(x, y);
    else if (near > 0) pen.moveTo(x, y);
    open = near > 0;
  }
  pen.stroke();
}

function drawBall() {
  pen.fillStyle = color("--ball");
  pen.strokeStyle = color("--line");
  pen.lineWidth = 1;
  pen.beginPath();
  pen.arc(view.width / 2, view.height / 2, radius(), 0, 2 * Math.PI);
  pen.fill();
  pen.stroke();
  const steps = [...Array(61).keys()];
  for (let azimuth = 0; azimuth < 360; azimuth += 30) curve(steps.map((step) => direction(azimuth, 3 * step - 90)));
  for (let up = -60; up <= 60; up += 30) curve(steps.map((step) => direction(6 * step, up)));
  pen.fillStyle = color("--soft");
  pen.font = "12px system-ui, sans-serif";
  pen.textAlign = "center";
  for (let azimuth = 0; azimuth < 360; azimuth += 30) {
    const [x, y, near] = place(direction(azimuth, -12));
    if (near > 0.15) pen.fillText(`${azimuth}°`, x, y);
  }
}

function drawLinks() {
  if (!document.getElementById("links").checked) return;
  for (let at = 0; at < nodes.links.length; at += 2) {
    const [start, end] = [nodes.links[at], nodes.links[at + 1]];
    const chosen = start === view.node || end === view.node;
    const [[x, y, near], [u, v, also]] = [place(directions[start]), place(directions[end])];
    if (near <= 0 || also <= 0) continue;
    pen.strokeStyle = color(chosen ? "--mark" : "--thread");
    pen.lineWidth = chosen ? 2 : 0.6;
    pen.beginPath();
    pen.moveTo(x, y);
    pen.lineTo(u, v);
    pen.stroke();
  }
}

function drawNode(node, x, y, near) {
  const chosen = node === view.node;
  if ((!view.spaced.has(node) && !chosen) || nodes.center[node] < 0) {
    pen.fillStyle = color(chosen ? "--mark" : "--thread");
    pen.beginPath();
    pen.arc(x, y, 3, 0, 2 * Math.PI);
    pen.fill();
    view.hits.push([node, x, y, 7]);
    return;
  }
  const size = side(node) * (0.7 + 0.3 * near) * (chosen ? 1.35 : 1);
  const [sheet, left, top] = tile(nodes.center[node]);
  pen.drawImage(sheets[sheet], left, top, atlas.side, atlas.side, x - size / 2, y - size / 2, size, size);
  pen.strokeStyle = color(chosen ? "--mark" : "--card");
  pen.lineWidth = chosen ? 3 : 1;
  pen.strokeRect(x - size / 2, y - size / 2, size, size);
  view.hits.push([node, x, y, size / 2]);
}

// The shape from where one looks, at the corner.
function drawShape() {
  const turn = Math.round((view.azimuth / 360) * shape.around + shape.around) % shape.around;
  const off = shape.elevations.map((value) => Math.abs(value - view.elevation));
  const row = off.indexOf(Math.min(...off));
  const size = Math.min(shape.side, view.width / 4);
  const box = [turn * shape.side, row * shape.side, shape.side, shape.side];
  if (turntable.complete) pen.drawImage(turntable, ...box, 10, view.height - size - 8, size, size);
  pen.fillStyle = color("--soft");
  pen.textAlign = "left";
  pen.fillText(`from ${Math.round(view.azimuth)}°, ${Math.round(view.elevation)}° up`, 12, 22);
}

function draw() {
  view.drawing = false;
  const scale = devicePixelRatio || 1;
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, view.width, view.height);
  view.hits = [];
  drawBall();
  drawLinks();
  const places = directions.map((point, node) => [node, ...place(point)]);
  const last = (node) => (node === view.node ? 2 : view.spaced.has(node) ? 1 : 0);
  places.sort((a, b) => last(a[0]) - last(b[0]) || a[3] - b[3]);
  if (sheets.every((sheet) => sheet.complete)) {
    for (const [node, x, y, near] of places) if (near > 0) drawNode(node, x, y, near);
  }
  drawShape();
}

function redraw() {
  if (!view.drawing) requestAnimationFrame(draw);
  view.drawing = true;
}

function resize() {
  const scale = devicePixelRatio || 1;
  view.width = canvas.clientWidth;
  view.height = canvas.clientHeight;
  canvas.width = Math.round(view.width * scale);
  canvas.height = Math.round(view.height * scale);
  if (nodes.size.length) space();
  redraw();
}

function turn(azimuth, elevation) {
  view.azimuth = (((view.azimuth + azimuth) % 360) + 360) % 360;
  view.elevation = Math.max(-89, Math.min(89, view.elevation + elevation));
  redraw();
}

function zoom(factor) {
  view.zoom = Math.max(0.6, Math.min(8, view.zoom * factor));
  space();
  redraw();
}

// Turn until a group is in the middle.
function face(node) {
  const way = ((nodes.azimuth[node] - view.azimuth + 540) % 360) - 180;
  const rise = nodes.elevation[node] - view.elevation;
  const steps = still.matches ? 1 : 18;
  let step = 0;
  const go = () => {
    if (step++ >= steps || view.node !== node) return;
    turn(way / steps, rise / steps);
    requestAnimationFrame(go);
  };
  go();
}

function hit(x, y) {
  const found = view.hits.filter(([, u, v, reach]) => Math.abs(x - u) <= reach && Math.abs(y - v) <= reach);
  return found.length ? found[found.length - 1][0] : -1;
}

function middle() {
  const depth = directions.map((point) => seen(point)[2]);
  return depth.indexOf(Math.max(...depth));
}

// Groups by azimuth, so that N and P walk round the object.
const order = nodes.azimuth.map((_, node) => node).sort((a, b) => nodes.azimuth[a] - nodes.azimuth[b]);

function beside(step) {
  const at = order.indexOf(view.node);
  return at < 0 ? middle() : order[(at + step + order.length) % order.length];
}

const actions = {
  left: () => turn(-10, 0),
  right: () => turn(10, 0),
  up: () => turn(0, 10),
  down: () => turn(0, -10),
  in: () => zoom(1.25),
  out: () => zoom(0.8),
};
const keys = {
  ArrowLeft: actions.left,
  ArrowRight: actions.right,
  ArrowUp: actions.up,
  ArrowDown: actions.down,
  "+": actions.in,
  "=": actions.in,
  "-": actions.out,
  Enter: () => openNode(middle()),
  " ": () => openNode(middle()),
  n: () => openNode(beside(1)),
  p: () => openNode(beside(-1)),
};

let grip = null;
canvas.addEventListener("pointerdown", (event) => {
  grip = { x: event.offsetX, y: event.offsetY, moved: 0 };
  canvas.setPointerCapture(event.pointerId);
});
canvas.addEventListener("pointermove", (event) => {
  if (!grip) return;
  const [dx, dy] = [event.offsetX - grip.x, event.offsetY - grip.y];
  grip = { x: event.offsetX, y: event.offsetY, moved: grip.moved + Math.hypot(dx, dy) };
  turn(-dx / radius() / RADIANS, dy / radius() / RADIANS);
});
canvas.addEventListener("pointerup", (event) => {
  if (grip && grip.moved < 6) {
    const node = hit(event.offsetX, event.offsetY);
    if (node >= 0) openNode(node);
  }
  grip = null;
});
canvas.addEventListener("pointercancel", () => (grip = null));
canvas.addEventListener("keydown", (event) => {
  const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  act();
});
canvas.addEventListener(
  "wheel",
  (event) => {
    if (!event.ctrlKey && document.activeElement !== canvas) return; // else the page could not be scrolled past it
    event.preventDefault();
    zoom(event.deltaY < 0 ? 1.1 : 1 / 1.1);
  },
  { passive: false },
);
for (const button of document.querySelectorAll("[data-do]")) button.addEventListener("click", actions[button.dataset.do]);
document.getElementById("links").addEventListener("change", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
