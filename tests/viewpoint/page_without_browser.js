// Runs the page's script on its data without a browser: the document answers anything, and takes anything.
const fs = require("fs");
const vm = require("vm");
const [, , data, ...scripts] = process.argv;

const made = [];
function element(id) {
  const state = { id, textContent: "", children: [], style: { setProperty() {} }, dataset: {}, hidden: false };
  const known = {
    append: (...parts) => state.children.push(...parts),
    replaceChildren: (...parts) => (state.children = parts),
    querySelector: () => element(`${id} part`),
    classList: { toggle: () => {} },
    getContext: () => anything,
    contains: () => false,
    clientWidth: 800,
    clientHeight: 600,
    checked: true,
  };
  return new Proxy(state, { get: (_, key) => (key in state ? state[key] : key in known ? known[key] : () => {}) });
}
const anything = new Proxy(() => {}, { get: (_, key) => (key === Symbol.toPrimitive ? () => 0 : anything), apply: () => anything });
const elements = { data: Object.assign(element("data"), { textContent: fs.readFileSync(data, "utf8") }) };
const world = {
  document: {
    getElementById: (id) => (elements[id] ??= element(id)),
    createElement: (tag) => element(tag),
    querySelector: (query) => (elements[query] ??= element(query)),
    querySelectorAll: () => [],
    body: element("body"),
  },
  matchMedia: () => ({ matches: true, addEventListener: () => {} }),
  URL: { createObjectURL: () => "blob:" },
  Blob: class {},
  Image: class { addEventListener() {} complete = true; },
  ResizeObserver: class { observe() {} },
  getComputedStyle: () => ({ getPropertyValue: () => "" }),
  requestAnimationFrame: (draw) => made.length++ < 50 && draw(),
  history: { replaceState: () => {} },
  location: { hash: "" },
  devicePixelRatio: 1,
  atob,
};
const text = scripts.map((script) => fs.readFileSync(script, "utf8")).join("\n");
const asked = `
;({
  edges,
  opened: view.node,
  hits: view.hits.map(([node]) => node),
  seen: directions.map((point) => { view.azimuth = 100; view.elevation = 25; return seen(point); }),
  panel: panel.children.map((part) => part.textContent),
  readable: [readable([1, 2.5]), readable([{ energy_now: 1, share: 2 }, { energy_now: 3 }]), readable("a, b")],
  globe: document.querySelector(".globe").hidden,
})`;
process.stdout.write(JSON.stringify(vm.runInNewContext(text + asked, world)));
