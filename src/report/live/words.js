// Numbers and sentences for people: src/units.rs, src/classify/words.rs.

// Jobs a day: below ten with three significant digits, as src/units.rs has it.
function jobsWords(value) {
  return value > 0 && value < 10 && !Number.isInteger(value)
    ? String(Number(value.toPrecision(3))) : thousands(value);
}

function thousands(value) {
  const digits = Math.abs(value).toFixed(0).replace(/\B(?=(\d{3})+$)/g, ",");
  return value < 0 ? `-${digits}` : digits;
}

function dollars(value) {
  const v = Math.abs(value);
  let text;
  if (v >= 1e15) text = v.toExponential(2).replace("e+", "e");
  else if (v >= 99.995) text = thousands(v);
  else if (v >= 0.1 || v === 0) text = v.toFixed(2);
  else if (v >= 1e-9) text = v.toFixed(Math.max(0, 2 - Math.floor(Math.log10(v))));
  else text = v.toExponential(2);
  return `${value < 0 ? "−" : ""}$${text}`;
}

const sizeName = (size) => size ? size.name : "no size";
const percentage = (share) => Number((share * 100).toPrecision(12));

// Cut, not rounded, so that 0.949 is not shown as the needed 0.95.
const chance = (p) => p > 0.99 ? "P\u00a0>\u00a00.99" : `P\u00a0=\u00a0${(Math.floor(p * 100) / 100).toFixed(2)}`;

// Glyphs and words as everywhere on the page: src/report/page/words.rs.
const VERDICTS = {
  "gpu": ["▲", "GPU"],
  "shared-gpu": ["△", "Shared GPU"],
  "cpu": ["▼", "CPU"],
  "either": ["●", "Either"],
  "measure-first": ["◌", "Measure first"],
};

// words.rs: headline, without the word of the verdict.
function headline({ kind, contest: both, gpu, cpu }, jobs) {
  const [g, c] = [sizeName(gpu), sizeName(cpu)];
  const month = (size) => dollars(size.usd);
  if (!both) return oneSidedWords(kind, gpu, cpu, jobs);
  const saves = (to, from, p) => `${sizeName(to)} at ${month(to)} a month instead of ` +
    `${month(from)} on ${sizeName(from)} saves ${dollars(from.usd - to.usd)} (${chance(p)})`;
  if (kind === "gpu") return `${saves(gpu, cpu, both.pGpu)}.`;
  if (kind === "shared-gpu") return `${saves(gpu, cpu, both.pGpu)}; a whole GPU would not.`;
  if (kind === "cpu") return `${saves(cpu, gpu, both.pCpu)}.`;
  if (kind === "either") {
    return `${g} at ${month(gpu)} and ${c} at ${month(cpu)} a month are within the margin.`;
  }
  const [lean, p] = both.leansGpu ? ["GPU", both.pGpu] : ["CPU", both.pCpu];
  return `leans ${lean}, which would save about ${dollars(Math.abs(gpu.usd - cpu.usd))} a month ` +
    `(${g} ${month(gpu)}, ${c} ${month(cpu)}; ${chance(p)} that it saves the margin asked for).`;
}

function oneSidedWords(kind, gpu, cpu, jobs) {
  const told = [gpu, cpu].filter((size) => size)
    .map((size) => `${size.name} ${dollars(size.usd)} a month`);
  if (jobs <= 0) {
    const cost = told.length ? told.join(", ") : "at an unknown cost";
    return `no jobs a day, so a node would only stand idle: ${cost}.`;
  }
  if (kind === "gpu") return `no CPU size can do it; ${told[0]}.`;
  if (kind === "cpu") return `no GPU size can do it; ${told[0]}.`;
  if (gpu && cpu) return `the costs cannot be compared: ${told.join(", ")}.`;
  if (gpu) return `${told[0]}; no CPU size can be judged.`;
  if (cpu) return `${told[0]}; no GPU size can be judged.`;
  return "no size of either kind can be judged.";
}

// Where the answer turns, in a sentence.
function crossing(found) {
  if (!found.length) return "One kind has no size that can be judged, so there is no crossing.";
  const [from, , gpu] = found[found.length - 1];
  const word = gpu ? "GPU" : "CPU";
  if (found.length === 1) return `By median cost a ${word} size is cheaper at every demand looked at.`;
  return `Last crossing: from ${thousands(from)} jobs a day on, a ${word} size is cheaper by median cost.`;
}
