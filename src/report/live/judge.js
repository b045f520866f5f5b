// Who wins, and how surely: src/classify/candidate.rs (standing), bill.rs (order), steps.rs,
// judge.rs.

// candidate.rs: the price that the reader's choice gives a size, and whether it may be chosen.
// bill.rs: drop_uncountable.
const MOST_NODES = 1e15;

function priced(size, model, asked) {
  const fits = ([kind, region]) =>
    kind === asked.kind && (asked.region === null || region === asked.region);
  const price = size.prices.find(fits);
  const reserved = asked.kind === "reserved-1y" || asked.kind === "reserved-3y";
  const rules = {
    day: model.day,
    minNodes: model.minNodes,
    startUpH: size.gpu ? model.gpuStartUpH : model.cpuStartUpH,
    coolDownH: model.coolDownH,
    objective: model.objective,
    allDay: reserved || model.headroom,
    utilisation: asked.utilisation,
    evictionsPerH: asked.kind === "spot" ? model.evictionsPerH : null,
  };
  const one = {
    ...size, rules, usdPerH: price ? price[2] * (1 - asked.discount) : null,
    usd: null, lo90: null, hi90: null, nodes: null, perJob: null, why: size.why,
  };
  one.eligible = size.job !== null && price !== undefined;
  if (!one.eligible) {
    if (size.job !== null) one.why = "no such price is known";
    return one;
  }
  const pace = paceOf(one, rules, MID, MID);
  one.usd = costAt(one, asked.jobs, MID, MID);
  one.lo90 = costAt(one, asked.jobs, LO, LO);
  one.hi90 = costAt(one, asked.jobs, HI, HI);
  one.nodes = fleet(rules, asked.jobs, pace).most;
  one.fullLoad = one.usdPerH / pace.jobsPerH;
  const unpriced = one.usd === null || one.lo90 === null || one.hi90 === null;
  if (unpriced || !(one.nodes <= MOST_NODES)) {
    one.eligible = false;
    one.why = "the number of nodes is beyond counting";
    one.usd = one.lo90 = one.hi90 = one.nodes = null;
  } else if (asked.jobs > 0) {
    one.perJob = one.usd / DAYS_PER_MONTH / asked.jobs;
  }
  return one;
}

// bill.rs: cheaper and tie. Seven digits count.
function cheaper(a, b) {
  const digits = (x, y) => {
    const [p, q] = [Math.fround(x), Math.fround(y)];
    return p < q ? -1 : p > q ? 1 : 0;
  };
  return digits(a.usd, b.usd) || digits(a.hi90, b.hi90) || digits(a.fullLoad, b.fullLoad) ||
    a.vcpus - b.vcpus || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
}

// judge.rs: phi and phi_of.
function phi(z) {
  const t = 1 / (1 + 0.2316419 * Math.abs(z));
  const poly = t * (0.319381530 + t * (-0.356563782 +
    t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  const tail = poly * Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI);
  return z >= 0 ? 1 - tail : tail;
}

function phiOf(distance, sigma) {
  if (sigma > 0) return phi(distance / sigma);
  return distance >= 0 ? 1 : 0;
}

// steps.rs: how far a cost has moved at each quarter of a deviation one way; null where unknown.
const QUARTERS = 16;

function stepsOf(cost, median, sign) {
  const moved = [];
  for (let quarter = 1; quarter <= QUARTERS; quarter += 1) {
    const usd = cost(sign * quarter);
    if (usd === null) return null;
    moved.push(Math.abs(Math.log(usd / median)));
  }
  return moved;
}

function staysWithin(steps, headroom) {
  const beyond = steps.findIndex((moved) => !(moved < headroom));
  return phi((beyond < 0 ? steps.length : beyond) / 4);
}

// judge.rs: Contest::new and its probabilities; null where a cost is unknown.
function contest(gpu, cpu, limitS, asked) {
  const cost = (size, device, io) => costAt(size, asked.jobs, device, io);
  const levels = [[MID, MID], [MID, LO], [MID, HI], [LO, MID], [HI, MID]];
  const [g, c] = [gpu, cpu].map((size) => levels.map(([device, io]) => cost(size, device, io)));
  if ([...g, ...c].includes(null)) return null;
  const spread = (a, b) => Math.abs(Math.log(a / b)) / Z95;
  const ratio = Math.log(c[0] / g[0]);
  const ioSpread = Math.max(...[1, 2].map((i) => Math.abs(Math.log(c[i] / g[i]) - ratio) / Z95));
  const sigma = (own, other) => {
    const [a, b] = [spread(g[own], g[0]), spread(c[other], c[0])];
    return Math.sqrt(a * a + b * b + ioSpread * ioSpread);
  };
  const [sigmaDown, sigmaUp] = [sigma(4, 3), sigma(3, 4)];
  const steps = (size, median, sign) => stepsOf((q) => cost(size, q, MID), median, sign);
  const dearerGpu = steps(gpu, g[0], 1), cheaperGpu = steps(gpu, g[0], -1);
  const dearerCpu = steps(cpu, c[0], 1), cheaperCpu = steps(cpu, c[0], -1);
  if (!dearerGpu || !cheaperGpu || !dearerCpu || !cheaperCpu) return null;
  const above = (threshold) => {
    const distance = ratio - threshold;
    return phiOf(distance, distance >= 0 ? sigmaDown : sigmaUp);
  };
  const stays = (headroom, one, other) => headroom < 0
    ? 1 : Math.min(staysWithin(one, headroom), staysWithin(other, headroom));
  const staysAbove = (threshold) => stays(ratio - threshold, dearerGpu, cheaperCpu);
  const staysBelow = (threshold) => stays(threshold - ratio, cheaperGpu, dearerCpu);
  const [gpuInTime, cpuInTime] = [inTime(gpu, limitS), inTime(cpu, limitS)];
  const margin = -Math.log(1 - asked.margin);
  const inside = Math.min(above(-margin) - above(margin), staysAbove(-margin), staysBelow(margin));
  return {
    leansGpu: ratio > 0,
    pGpu: Math.min(above(margin), staysAbove(margin)) * gpuInTime,
    pCpu: Math.min(1 - above(-margin), staysBelow(-margin)) * cpuInTime,
    pEither: inside * gpuInTime * cpuInTime,
  };
}

// P that a job keeps its time limit.
function inTime(size, limitS) {
  if (limitS === null) return 1;
  const median = paceOf(size, size.rules, MID, MID).latencyS;
  const hi90 = paceOf(size, size.rules, HI, HI).latencyS;
  return phiOf(Math.log(limitS / median), Math.abs(Math.log(hi90 / median)) / Z95);
}

// judge.rs: Contest::verdict, one_sided and judge.
const SURE = 0.95;

function verdictOf(gpu, cpu, sizes, model, asked) {
  if (asked.jobs <= 0) return { kind: "measure-first", contest: null };
  const both = gpu && cpu ? contest(gpu, cpu, model.limitS, asked) : null;
  if (!both) return { kind: oneSided(gpu, cpu, sizes), contest: null };
  const kind = both.pGpu >= SURE ? "gpu" : both.pCpu >= SURE ? "cpu"
    : both.pEither >= SURE ? "either" : "measure-first";
  return { kind, contest: both };
}

function oneSided(gpu, cpu, sizes) {
  const hopeless = (isGpu) => {
    const side = sizes.filter((size) => size.gpu === isGpu);
    return side.length > 0 && side.every((size) => size.infeasible);
  };
  if (gpu && !cpu && hopeless(false)) return "gpu";
  if (cpu && !gpu && hopeless(true)) return "cpu";
  return "measure-first";
}

// All of it: every size with its cost, the best of each kind, verdict and break-even.
function evaluate(model, asked) {
  const sizes = model.sizes.map((size) => priced(size, model, asked));
  const ranking = sizes.filter((size) => size.eligible).sort(cheaper);
  const best = (wanted) => ranking.find(wanted) ?? null;
  const gpu = best((size) => size.gpu), cpu = best((size) => !size.gpu);
  let { kind, contest: both } = verdictOf(gpu, cpu, sizes, model, asked);
  let wholeGpu = null;
  if (kind === "gpu" && gpu && gpu.fractional) {
    const whole = best((size) => size.gpu && !size.fractional);
    if (!whole || verdictOf(whole, cpu, sizes, model, asked).kind !== "gpu") {
      [kind, wholeGpu] = ["shared-gpu", whole];
    }
  }
  const demand = bands(sizes, asked.jobs);
  return { kind, contest: both, gpu, cpu, wholeGpu, ranking, sizes, bands: demand };
}
