// What is opened: a group of photos with one view, a photo and its edges; and the lists below the sphere.
const panel = document.getElementById("panel");
const members = nodes.center.map(() => []);
photos.forEach((photo, number) => photo.node !== undefined && members[photo.node].push(number));
const edges = unpack(bytes(data.edges));
const [TILES, EDGES] = [60, 16]; // shown before one asks for all

// Start, end, turn (degrees), similarity, flags: 7 bytes each, little-endian.
function unpack(packed) {
  const table = photos.map(() => []);
  const read = new DataView(packed.buffer);
  for (let at = 0; at + 7 <= packed.length; at += 7) {
    const [start, end] = [read.getUint16(at, true), read.getUint16(at + 2, true)];
    const turn = read.getInt8(at + 4);
    const flags = read.getUint8(at + 6);
    const edge = { turn, similarity: read.getUint8(at + 5) / 255, verified: !!(flags & 1), mirrored: !!(flags & 2) };
    table[start].push({ ...edge, other: end });
    // Seen from its end: the turn back; of a claim about mirror images, the same turn, since these turn the other way.
    table[end].push({ ...edge, other: start, turn: edge.mirrored ? turn : -turn });
  }
  for (const found of table) found.sort((a, b) => b.verified - a.verified || b.similarity - a.similarity);
  return table;
}

function make(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function thumb(photo, width, mirrored) {
  const made = make("span", undefined, mirrored ? "photo mirrored" : "photo");
  const [sheet, left, top] = tile(photo);
  const scale = width / atlas.side;
  made.style.setProperty("--side", `${width}px`);
  made.style.backgroundImage = `url("${sheets[sheet].src}")`;
  made.style.backgroundPosition = `${-left * scale}px ${-top * scale}px`;
  made.style.backgroundSize = `${atlas.columns * width}px auto`;
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", photos[photo].name);
  made.title = photos[photo].name;
  return made;
}

function tileButton(photo, caption, act, current) {
  const made = make("button", undefined, "tile");
  made.type = "button";
  made.append(photo < 0 ? make("span", "no picture") : thumb(photo, 64), make("div", caption));
  if (current) made.setAttribute("aria-current", "true");
  made.addEventListener("click", act);
  return made;
}

function percent(value) {
  return `${Math.round(100 * value)} %`;
}

// Of a graph that must not be relied on, no photo is sure.
function sureness(photo) {
  return data.undetermined ? "" : percent(photos[photo].confidence);
}

function angle(value) {
  return `${Math.round(value)}°`;
}

function counted(number, one, many) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

// Tiles, some at first and the others on demand.
function fill(place, items, makeTile, atOnce = TILES) {
  place.replaceChildren(...items.slice(0, atOnce).map(makeTile));
  if (items.length <= atOnce) return;
  const more = make("button", `all ${items.length.toLocaleString("en")}`, "more");
  more.type = "button";
  more.addEventListener("click", () => place.replaceChildren(...items.map(makeTile)));
  place.append(more);
}

function openNode(node, photo) {
  if (node < 0 || node >= nodes.center.length) return;
  view.node = node;
  const first = photo ?? (nodes.center[node] >= 0 ? nodes.center[node] : members[node][0]);
  const confidence = members[node].map((member) => photos[member].confidence);
  const mean = confidence.reduce((sum, value) => sum + value, 0) / Math.max(1, confidence.length);
  const title = `Azimuth ${angle(nodes.azimuth[node])}, elevation ${angle(nodes.elevation[node])}`;
  const said = `Group ${node}: ${counted(nodes.size[node], "photo", "photos")}, mean confidence ${percent(mean)}.`;
  const list = make("div", undefined, "thumbs");
  fill(list, members[node], (member) =>
    tileButton(member, sureness(member), () => openPhoto(member), member === first),
  );
  fillPanel(`${title}. ${said}`, first, [make("h2", title), make("p", said, "small"), list, ...edgesOf(first)]);
  face(node);
}

// One sentence is spoken by screen readers; who was inside of the panel with a keyboard stays there.
function fillPanel(spoken, photo, parts) {
  const inside = panel.contains(document.activeElement);
  panel.replaceChildren(...parts);
  panel.scrollTop = 0;
  if (inside) panel.focus({ preventScroll: true });
  document.getElementById("spoken").textContent = spoken;
  history.replaceState(null, "", `#photo-${photo}`);
  redraw();
}

function openPhoto(photo) {
  const known = photos[photo];
  if (known.node !== undefined) return openNode(known.node, photo);
  view.node = -1;
  const told = data.undetermined ? [] : known.candidates ?? [];
  const candidates = told.map(
    ([azimuth, elevation, share]) => `azimuth ${angle(azimuth)}, elevation ${angle(elevation)}: ${percent(share)}`,
  );
  const list = make("ul", undefined, "small");
  list.append(...candidates.map((text) => make("li", text)));
  const why = known.why || data.undetermined || "belongs to no group";
  const parts = [make("h2", "Undetermined"), thumb(photo, 128), make("p", `No view: ${why}.`, "small")];
  if (candidates.length) parts.push(make("h3", "What it may show"), list);
  fillPanel(`${known.name}: no view, ${why}`, photo, [...parts, ...edgesOf(photo)]);
}

// Name, confidence and edges of a photo.
function edgesOf(photo) {
  if (photo === undefined) return [];
  const known = photos[photo];
  const found = edges[photo];
  const verified = found.filter((edge) => edge.verified).length;
  const part = known.component ? `, in component ${known.component}` : "";
  const view = known.azimuth === undefined ? "" : `; azimuth ${angle(known.azimuth)}, elevation ${angle(known.elevation)}`;
  const said = data.undetermined ? "" : `Confidence ${sureness(photo)}${view}${part}.`;
  const denied = found.length - verified;
  const sum = data.undetermined
    ? counted(found.length, "claim", "claims")
    : `${counted(verified, "verified edge", "verified edges")}, ${counted(denied, "claim", "claims")} denied`;
  const list = make("div");
  fill(list, found, edgeRow, EDGES);
  return [make("h3", known.name), make("p", said, "small"), make("h3", sum), list];
}

function edgeRow(edge) {
  const made = make("button", undefined, edge.verified ? "edge" : "edge denied");
  made.type = "button";
  const [name, text] =
    edge.turn === 0 ? ["same", "same"] : edge.turn > 0 ? ["plus", `+ ${edge.turn}°`] : ["minus", `− ${-edge.turn}°`];
  const word = data.undetermined ? "claimed" : edge.verified ? "✓ verified" : "✗ denied";
  const about = make("span", word, "verified");
  const how = `, similarity ${edge.similarity.toFixed(2)}${edge.mirrored ? ", mirror image" : ""}`;
  const line = make("span");
  line.append(about, how);
  made.append(thumb(edge.other, 44, edge.mirrored), make("span", text, `kind ${name}`), line);
  made.addEventListener("click", () => openPhoto(edge.other));
  return made;
}

// Plain values as a person writes them: 1, 2; or energy 0.3, agreement 1; energy 0.2, agreement 0.5.
function readable(value) {
  if (value === null || typeof value !== "object") return String(value);
  const parts = Array.isArray(value)
    ? value.map(readable)
    : Object.entries(value).map(([name, part]) => `${name.replaceAll("_", " ")} ${readable(part)}`);
  return parts.join(Array.isArray(value) && value.some((part) => typeof part === "object") ? "; " : ", ");
}

function define(id, values) {
  const section = document.getElementById(id);
  const entries = Object.entries(values);
  section.hidden = !entries.length;
  for (const [name, value] of entries) {
    section.querySelector("dl").append(make("dt", name.replaceAll("_", " ")), make("dd", readable(value)));
  }
}

function listGroups() {
  const section = document.getElementById("groups");
  section.hidden = !order.length;
  fill(section.querySelector("div"), order, (node) => {
    const caption = `${angle(nodes.azimuth[node])} · ${nodes.size[node]}`;
    const made = tileButton(nodes.center[node], caption, () => {
      openNode(node);
      panel.focus();
    });
    made.setAttribute("aria-label", `group at azimuth ${caption} photos`);
    return made;
  });
}

function listUnsure() {
  const section = document.getElementById("unsure");
  const unsure = photos.map((_, photo) => photo).filter((photo) => photos[photo].node === undefined);
  section.hidden = !unsure.length;
  const share = `${counted(unsure.length, "photo", "photos")} of ${photos.length.toLocaleString("en")}`;
  section.querySelector("p").textContent = data.undetermined
    ? `No photo has a view: ${data.undetermined}.`
    : `${share}: too little of what other photos claim agrees with their view; they stand nowhere on the sphere.`;
  fill(section.querySelector("div"), unsure, (photo) =>
    tileButton(photo, sureness(photo), () => {
      openPhoto(photo);
      panel.focus();
    }),
  );
}

function listUnused() {
  const { failed, copies, counts } = data;
  const section = document.getElementById("unused");
  const lines = [...failed.map(([name, why]) => `${name}: ${why}`), ...copies.map(([name, of]) => `${name}: a copy of ${of}`)];
  const rest = counts.failed + counts.copies - lines.length;
  if (rest > 0) lines.push(`and ${rest.toLocaleString("en")} more`);
  section.hidden = !lines.length;
  section.querySelector("ul").append(...lines.map((line) => make("li", line)));
}

function begin() {
  document.body.classList.toggle("undetermined", !!data.undetermined);
  document.getElementById("notes").append(...data.notes.map((note) => make("li", note)));
  listGroups();
  listUnsure();
  listUnused();
  define("frame", data.gauge);
  define("findings", data.findings);
  const [, wanted] = /^#photo-(\d+)$/.exec(location.hash) ?? [];
  if (!nodes.center.length) {
    document.querySelector(".globe").hidden = true;
    panel.replaceChildren(make("p", "Choose a photo below to see its edges."));
  } else {
    resize();
    new ResizeObserver(resize).observe(canvas);
    openNode(nodes.size.indexOf(Math.max(...nodes.size)));
  }
  if (photos[wanted]) openPhoto(Number(wanted));
}

begin();
