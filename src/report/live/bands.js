// Bands of demand and who is cheaper in each, by median cost: src/classify/bands.rs.

const STEPS_PER_DECADE = 40;
const STEPS_OF_NODES = 400;
const MAX_BANDS = 9;
const NARROW = 1.02;

// Size::beaten_by.
function beatenBy(one, other) {
  return other.usdPerH <= one.usdPerH && other.pace.jobsPerH >= one.pace.jobsPerH &&
    other.pace.latencyS <= one.pace.latencyS && other.pace.scatter <= one.pace.scatter &&
    serversPerNode(other.pace) >= serversPerNode(one.pace);
}

// The sizes of a side that some demand may make the cheapest.
function contenders(sizes, gpu) {
  let kept = [];
  for (const size of sizes.filter((s) => s.eligible && s.gpu === gpu)) {
    const pace = paceOf(size, size.rules, MID, MID);
    const one = { usdPerH: size.usdPerH, pace, rules: size.rules };
    if (kept.some((k) => beatenBy(one, k))) continue;
    kept = kept.filter((k) => !beatenBy(k, one));
    kept.push(one);
  }
  return kept.sort((a, b) => a.usdPerH / a.pace.jobsPerH - b.usdPerH / b.pace.jobsPerH);
}

// fleet.rs: least_node_hours; quick to work out.
function leastUsd({ usdPerH, pace, rules }, jobsPerDay) {
  const workingH = jobsPerDay / (pace.jobsPerH * rules.utilisation);
  return usdPerMonth(Math.max(workingH, 24 * rules.minNodes) * (1 - 1e-9), usdPerH);
}

function cheapest(sizes, jobsPerDay) {
  let best = Infinity;
  for (const size of sizes) {
    if (leastUsd(size, jobsPerDay) >= best) continue;
    const hours = fleet(size.rules, jobsPerDay, size.pace).nodeHours;
    best = Math.min(best, usdPerMonth(hours, size.usdPerH));
  }
  return best;
}

// Whole jobs a day at which to look, rising.
function demands(sizes, jobsPerDay) {
  const last = Math.max(jobsPerDay * 1000, 1e6);
  const at = new Set();
  const add = (demand) => {
    if (demand >= 2 && demand <= last) at.add(demand);
  };
  const steps = Math.ceil(Math.log10(last) * STEPS_PER_DECADE);
  for (let step = 1; step <= steps; step += 1) add(Math.round(Math.pow(10, step / STEPS_PER_DECADE)));
  const parts = sizes.length ? sizes[0].rules.day.length : 1;
  const nodes = Math.min(64, Math.floor(STEPS_OF_NODES / (sizes.length * parts)));
  for (const { pace, rules } of sizes) {
    const node = pace.jobsPerH * rules.utilisation;
    for (const part of rules.day.filter((p) => p.share > 0)) {
      for (let n = 1; n <= nodes; n += 1) {
        const step = Math.floor(n * node * part.hours / part.share);
        add(step);
        add(step + 1);
      }
    }
  }
  return [...at].sort((a, b) => a - b);
}

// Bands of whole jobs a day: [from, to or null, whether the GPU is cheaper].
function bands(sizes, jobsPerDay) {
  const gpu = contenders(sizes, true), cpu = contenders(sizes, false);
  if (!gpu.length || !cpu.length) return [];
  const gpuWins = (demand) => cheapest(gpu, demand) < cheapest(cpu, demand);
  const found = [[0, null, gpuWins(1)]];
  let from = 1;
  for (const demand of demands([...gpu, ...cpu], jobsPerDay)) {
    const now = gpuWins(demand);
    const open = found[found.length - 1];
    if (open[2] !== now) {
      let low = from, high = demand;
      while (high - low > 1) {
        const middle = Math.floor((low + high) / 2);
        if (gpuWins(middle) === now) high = middle;
        else low = middle;
      }
      open[1] = high;
      found.push([high, null, now]);
    }
    from = demand;
  }
  return merge(found, jobsPerDay);
}

// The narrowest inner bands go first, and slivers in any case, but never the one asked about nor the
// last crossing.
function merge(found, jobsPerDay) {
  const width = ([from, to]) => (to ?? Number.MAX_VALUE) / from;
  for (;;) {
    const asked = found.findLastIndex(([from]) => from <= jobsPerDay);
    let narrowest = null;
    for (let i = 1; i < found.length - 2; i += 1) {
      if (i !== asked && (narrowest === null || width(found[i]) < width(found[narrowest]))) {
        narrowest = i;
      }
    }
    if (narrowest === null) break;
    if (found.length <= MAX_BANDS && width(found[narrowest]) >= NARROW) break;
    found[narrowest - 1][1] = found[narrowest + 1][1];
    found.splice(narrowest, 2);
  }
  return found;
}
