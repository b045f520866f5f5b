// What the reader sees of a result. Names come from files: they are only ever set as text.

const $ = (id) => document.getElementById(id);

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text !== null) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// Fills a table; a heading is text or an element, a row an array of texts. The first cell of a row
// is its heading; columns from `numbers` on are set to the right.
function fill(table, headings, rows, numbers, marked = null) {
  const right = (i) => i >= numbers ? { class: "n" } : {};
  const head = element("tr", null);
  headings.forEach((heading, i) => {
    const cell = element("th", null, { scope: "col", ...right(i), ...(heading.sorted ?? {}) });
    cell.append(heading.button ?? heading);
    head.append(cell);
  });
  const body = rows.map((cells, row) => {
    const line = element("tr", null, row === marked ? { "aria-current": "true" } : {});
    cells.forEach((text, i) => line.append(
      i ? element("td", text, right(i)) : element("th", text, { scope: "row" })));
    return line;
  });
  const [thead, tbody] = [element("thead", null), element("tbody", null)];
  thead.append(head);
  tbody.append(...body);
  table.replaceChildren(thead, tbody);
}

const KIND = (size) => size.gpu ? "GPU" : "CPU";
const interval = (size) => `${dollars(size.lo90)} to ${dollars(size.hi90)}`;
const perJob = (size) => size.perJob === null ? "–" : dollars(size.perJob);

function showVerdict(result, model, asked) {
  const [glyph, word] = VERDICTS[result.kind];
  const box = $("live-verdict");
  box.dataset.verdict = result.kind;
  box.querySelector(".live-glyph").textContent = glyph;
  box.querySelector("strong").textContent = `${word}:`;
  box.querySelector("strong + span").textContent = headline(result, asked.jobs);
  const both = result.contest;
  const more = both
    ? [`By the margin of ${percentage(asked.margin)} %: GPU ${chance(both.pGpu)}, CPU ${chance(both.pCpu)}.`]
    : [];
  if (result.wholeGpu) {
    more.push(`The cheapest whole GPU, ${result.wholeGpu.name}, would cost ` +
      `${dollars(result.wholeGpu.usd)} a month.`);
  }
  box.querySelector(".live-more").textContent = more.join(" ");
  $("live-left-out").textContent = model.leftOut;
}

function showBest({ gpu, cpu }) {
  const row = (kind, size) => size
    ? [kind, size.name, size.device, dollars(size.usd), interval(size), perJob(size), thousands(size.nodes)]
    : [kind, "none can be chosen", "–", "–", "–", "–", "–"];
  const headings = ["Kind", "Size", "Device", "USD a month", "90 % interval", "USD a job", "Nodes at most"];
  fill($("live-best"), headings, [row("GPU", gpu), row("CPU", cpu)], 3);
}

function showBands(found, jobs) {
  $("live-crossing").textContent = crossing(found);
  const rows = found.map(([from, to, gpu]) =>
    [thousands(from), to === null ? "and more" : `below ${thousands(to)}`, gpu ? "GPU" : "CPU"]);
  const here = found.findLastIndex(([from]) => from <= jobs);
  const table = $("live-bands");
  table.hidden = !rows.length;
  fill(table, ["Jobs a day from", "to", "Cheaper by median"], rows, 3, here);
}

// The bands on the scale of the slider under it.
function showStrip(found, jobs, positionOf, end) {
  const part = (from, to, name) => {
    const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const at = (x) => 1000 * Math.min(1, Math.max(0, x / end));
    const all = { x: at(from), y: 0, width: Math.max(0, at(to) - at(from)), height: 10, class: name };
    for (const [key, value] of Object.entries(all)) rect.setAttribute(key, value);
    return rect;
  };
  const position = (demand) => demand === null ? end : positionOf(demand);
  $("live-strip").replaceChildren(
    ...found.map(([from, to, gpu]) =>
      part(position(from), position(to), gpu ? "live-gpu" : "live-cpu")));
}

const COLUMNS = [
  ["name", "Size", (s) => s.name, (a, b) => a.name.localeCompare(b.name)],
  ["side", "Kind", KIND, (a, b) => b.gpu - a.gpu],
  ["device", "Device", (s) => s.device, (a, b) => a.device.localeCompare(b.device)],
  ["origin", "Times are", (s) => s.origin, (a, b) => a.origin.localeCompare(b.origin)],
  ["usd", "USD a month", (s) => dollars(s.usd), cheaper],
  ["interval", "90 % interval", interval, (a, b) => a.hi90 - b.hi90],
  ["job", "USD a job", perJob, (a, b) => a.perJob - b.perJob],
  ["nodes", "Nodes at most", (s) => thousands(s.nodes), (a, b) => a.nodes - b.nodes],
];
const TOP = 10;

function showRanking(ranking, sort, all, onSort) {
  const column = COLUMNS.find(([key]) => key === sort.key) ?? COLUMNS.find(([key]) => key === "usd");
  // Sorting is stable: sizes alike in this column stay in the order of their cost.
  const sorted = [...ranking].sort((a, b) => (sort.down ? -1 : 1) * column[3](a, b));
  const headings = COLUMNS.map(([key, title]) => {
    const button = element("button", title, { type: "button", "data-sort": key });
    button.addEventListener("click", () => onSort(key));
    const order = sort.down ? "descending" : "ascending";
    return { button, sorted: key === column[0] ? { "aria-sort": order } : {} };
  });
  const rows = sorted.slice(0, all ? sorted.length : TOP)
    .map((size) => COLUMNS.map(([, , text]) => text(size)));
  const kept = document.activeElement?.dataset?.sort;
  fill($("live-ranking"), headings, rows, 4);
  if (kept) $("live-ranking").querySelector(`[data-sort="${kept}"]`)?.focus();
  const button = $("live-all");
  button.hidden = sorted.length <= TOP;
  button.textContent = all ? `Show the first ${TOP} only` : `Show all ${sorted.length} sizes`;
}

function showExcluded(sizes) {
  const out = sizes.filter((size) => !size.eligible);
  const box = $("live-excluded");
  box.hidden = !out.length;
  box.querySelector("summary").textContent =
    `${out.length} ${out.length === 1 ? "size" : "sizes"} cannot be chosen`;
  const rows = out.map((size) => [size.name, KIND(size), size.why]);
  fill(box.querySelector("table"), ["Size", "Kind", "Why"], rows, 3);
}
