// What a size costs at a demand. The same formulas as in Rust, under the same names: src/cost/
// node.rs (usage, jobs per hour), spot.rs, queue.rs, fleet.rs, money.rs, src/classify/bill.rs.

// src/cost/mod.rs: Z95 and Estimate::at. A level is LO, MID, HI or a number of quarters of a
// standard deviation above the median.
const Z95 = 1.6448536269514727;
const LO = "lo", MID = 0, HI = "hi";

function valueAt(median, lo90, hi90, level) {
  if (level === LO) return lo90;
  if (level === HI) return hi90;
  if (level === MID || median <= 0) return median;
  const end = level < 0 ? lo90 : hi90;
  return median * Math.pow(end / median, Math.abs(level) / 4 / Z95);
}

// Terms are flat: median, 5th and 95th percentile of each in turn.
function each(terms, level, f) {
  for (let i = 0; i < terms.length; i += 3) f(valueAt(terms[i], terms[i + 1], terms[i + 2], level));
}

function sum(terms, level) {
  let total = 0;
  each(terms, level, (value) => { total += value; });
  return total;
}

// node.rs: JobOn::usage, jobs_per_h and scatter in one, with what a spot node loses (spot.rs:
// evicted): jobs per hour of a node at full load, seconds of one job, its scatter.
function paceOf(size, rules, device, io) {
  const job = size.job;
  const ioS = valueAt(...job.io, io);
  let latencyS = job.serial + ioS, longestStageS = Math.max(job.serial, ioS);
  each(job.latency, device, (s) => {
    latencyS += s;
    longestStageS = Math.max(longestStageS, s);
  });
  const deviceS = sum(job.device, device);
  const resources = size.gpu
    ? [ioS, deviceS, Math.max(sum(job.linkIn, device), sum(job.linkOut, device)), job.host]
    : [ioS, deviceS + job.host];
  const longestS = Math.max(...resources);
  if (job.overlap) latencyS = Math.max(longestS, longestStageS);
  let jobsPerH = 3600 / longestS;
  if (job.atOnce !== null && job.atOnce / latencyS < 1 / longestS) {
    jobsPerH = 3600 * (job.atOnce / latencyS);
  }
  let variance = 0;
  each(job.deviation, device, (s) => { variance += s * s; });
  const scatter = variance > 0 ? variance / (latencyS * latencyS) : 0;
  if (rules.evictionsPerH !== null) {
    const lostH = latencyS / 2 / 3600 + rules.startUpH;
    jobsPerH /= 1 + rules.evictionsPerH * lostH;
  }
  return { jobsPerH, latencyS, scatter };
}

// queue.rs: Erlang's C, and the wait at a percentile by Allen and Cunneen.
const NEGLIGIBLE = 1e-12;

function erlangC(servers, offered) {
  if (offered <= 0) return 0;
  const busy = offered / servers;
  if (busy >= 1 || Number.isNaN(busy)) return 1;
  let term = 1, inverseB = 1;
  for (let left = servers; left >= 1; left -= 1) {
    term *= left / offered;
    inverseB += term;
    if ((1 - busy) * inverseB > 1 / NEGLIGIBLE) return 0;
    if (term < inverseB * 1e-17) break;
  }
  return 1 / ((1 - busy) * inverseB + busy);
}

// fleet.rs: servers_per_node and wait_s.
function serversPerNode(pace) {
  return Math.max(1, Math.floor((pace.jobsPerH * pace.latencyS / 3600) * (1 + 1e-9)));
}

function waitS(jobsPerH, nodes, pace, percentile) {
  if (!Number.isFinite(pace.jobsPerH) || nodes <= 0) return 0;
  const perNode = serversPerNode(pace);
  const servers = nodes * perNode;
  const serviceS = 3600 * perNode / pace.jobsPerH;
  const perS = jobsPerH / 3600;
  const late = 1 - percentile;
  const delayed = erlangC(servers, perS * serviceS);
  if (delayed <= late) return 0;
  const spare = servers / serviceS - perS;
  const mean = spare > 0 ? (1 + pace.scatter) / 2 / spare : Infinity;
  return mean * Math.log(delayed / late);
}

// fleet.rs: by_load, nodes, least_from.
function nodesByLoad(rules, jobsPerH, pace) {
  if (jobsPerH <= 0) return 0;
  const exact = jobsPerH / (pace.jobsPerH * rules.utilisation);
  // A quotient that is whole but for rounding needs no further node.
  return Math.max(1, Math.ceil(exact * (1 - 1e-12)));
}

function leastFrom(from, good) {
  if (good(from)) return from;
  let bad = from, step = 1;
  while (!good(bad + step)) {
    bad += step;
    step *= 2;
    if (step > 1e15) return bad + step;
  }
  let enough = bad + step;
  while (enough - bad > 1) {
    const middle = Math.floor((bad + enough) / 2);
    if (good(middle)) enough = middle;
    else bad = middle;
  }
  return enough;
}

function nodesFor(rules, jobsPerH, pace) {
  const byLoad = nodesByLoad(rules, jobsPerH, pace);
  if (!rules.objective || jobsPerH <= 0) return byLoad;
  const [latencyS, percentile] = rules.objective;
  const allowedS = Math.max(0, latencyS - pace.latencyS);
  return leastFrom(byLoad, (nodes) => waitS(jobsPerH, nodes, pace, percentile) <= allowedS);
}

// Segment::jobs_per_h of src/workload/demand.rs.
const rateOf = (part, jobsPerDay) => jobsPerDay * part.share / part.hours;

// fleet.rs: nodes_by_part.
function nodesByPart(rules, jobsPerDay, pace) {
  const least = Math.max(rules.minNodes, jobsPerDay > 0 ? 0 : 1);
  const nodes = [];
  let before = NaN, most = 0;
  for (const part of rules.day) {
    const rate = rateOf(part, jobsPerDay);
    const now = rate === before
      ? nodes[nodes.length - 1]
      : Math.max(nodesFor(rules, rate, pace), least);
    nodes.push(now);
    before = rate;
    most = Math.max(most, now);
  }
  return rules.allDay ? nodes.fill(most) : nodes;
}

// fleet.rs: warming_h and gaps_h, the hours of starting and cooling down.
function warmingH(day, nodes, onceH) {
  if (day.every((part) => part.hours >= onceH)) {
    const starts = nodes.map((now, i) => Math.max(0, now - nodes[(i || nodes.length) - 1]));
    return starts.reduce((a, b) => a + b, 0) * onceH;
  }
  let total = 0, below = 0;
  for (const level of [...nodes].sort((a, b) => a - b)) {
    if (level > 0 && level > below) {
      total += (level - below) * gapsH(day, nodes, level, onceH);
      below = level;
    }
  }
  return total;
}

function gapsH(day, nodes, level, onceH) {
  const firstUp = nodes.findIndex((n) => n >= level);
  if (firstUp < 0) return 0;
  let total = 0, gap = 0;
  for (let i = 0; i < nodes.length; i += 1) {
    const index = (firstUp + i) % nodes.length;
    if (nodes[index] >= level) {
      total += Math.min(gap, onceH);
      gap = 0;
    } else {
      gap += day[index].hours;
    }
  }
  return total + Math.min(gap, onceH);
}

// fleet.rs: Rules::fleet, as far as it is needed here.
function fleet(rules, jobsPerDay, pace) {
  const nodes = nodesByPart(rules, jobsPerDay, pace);
  const workingH = rules.day.reduce((hours, part, i) => hours + part.hours * nodes[i], 0);
  const hours = workingH + warmingH(rules.day, nodes, rules.startUpH + rules.coolDownH);
  return { most: Math.max(0, ...nodes), nodeHours: hours };
}

// money.rs.
const DAYS_PER_MONTH = 30.4;
const usdPerMonth = (nodeHours, usdPerH) => DAYS_PER_MONTH * nodeHours * usdPerH;

// bill.rs: Candidate::usd_per_month_at; null where no number holds the cost.
function costAt(size, jobsPerDay, device, io) {
  if (!size.job || size.usdPerH === null) return null;
  const hours = fleet(size.rules, jobsPerDay, paceOf(size, size.rules, device, io)).nodeHours;
  const usd = usdPerMonth(hours, size.usdPerH);
  return Number.isFinite(usd) ? usd : null;
}
