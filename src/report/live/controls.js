// The controls: what the reader asks for, kept in the address, and shown again whenever it changes.

// Positions of the jobs slider: 0 is none, then so many to each power of ten.
const PER_DECADE = 40;
const positionOf = (jobs) => jobs < 1 ? 0 : 1 + Math.round(Math.log10(jobs) * PER_DECADE);
const jobsAt = (position) => position < 1 ? 0 : Math.round(Math.pow(10, (position - 1) / PER_DECADE));

const KINDS = {
  "ondemand": "on demand", "spot": "spot, may be taken back",
  "reserved-1y": "reserved for a year", "reserved-3y": "reserved for three years",
};

// Fields that hold a number: [key, least, most, factor from what is shown to what is asked].
const isShare = (least, most) => (v) => v >= least && v <= most;
const NUMBERS = [
  ["jobs", (v) => v === 0 || (v >= 1e-6 && v <= 1e15), 1, "jobs a day: 0, or from 0.000001 to 1e15"],
  ["use", isShare(0.01, 1), 100, "target utilisation: from 1 to 100 %"],
  ["margin", isShare(0, 0.99), 100, "margin: from 0 to 99 %"],
  ["discount", isShare(0, 0.99), 100, "discount: from 0 to 99 %"],
];
// Names of the fields in what is asked.
const FIELD = { jobs: "jobs", use: "utilisation", margin: "margin", discount: "discount" };

function start() {
  const source = $("live-data");
  if (!source) return;
  const models = readModels(JSON.parse(source.textContent));
  // Workloads of one name are told apart by a number.
  const named = new Map();
  for (const one of models) {
    const before = named.get(one.name) ?? 0;
    named.set(one.name, before + 1);
    if (before) one.name = `${one.name} (${before + 1})`;
  }
  if (!models.length) return;
  const own = { w: models[0].name };
  let model = models[0], asked = { ...model.asked }, all = false;

  const options = (select, pairs) => {
    select.replaceChildren(...pairs.map(([value, text]) => element("option", text, { value })));
  };
  options($("live-w"), models.map(({ name }) => [name, name]));
  $("live-w").parentElement.hidden = models.length < 2;

  // What may be chosen of the model's prices.
  const kinds = () => Object.keys(KINDS);
  const regions = () => {
    const known = model.sizes.flatMap((size) => size.prices.map(([, region]) => region));
    const own = model.asked.region === null ? [] : [model.asked.region];
    return [...new Set([...known, ...own])].sort();
  };

  // The address: only what differs from the report's own figures. Whatever is not a value that the
  // controls could have put there is ignored.
  const restore = () => {
    model = models.find(({ name }) => name === state.get("w")) ?? models[0];
    asked = { ...model.asked };
    for (const [key, fits] of NUMBERS) {
      const text = state.get(key);
      const value = text === null || text.trim() === "" ? NaN : Number(text);
      if (fits(value)) asked[FIELD[key]] = value;
    }
    if (kinds().includes(state.get("kind"))) asked.kind = state.get("kind");
    const region = state.get("region");
    if (region === "any") asked.region = null;
    else if (regions().includes(region)) asked.region = region;
  };

  const keep = () => {
    const values = { w: model.name === own.w ? null : model.name };
    for (const [key, field] of Object.entries({ ...FIELD, kind: "kind", region: "region" })) {
      const same = asked[field] === model.asked[field];
      values[key] = same ? null : asked[field] ?? "any";
    }
    state.set(values);
  };

  const sort = () => {
    const [, key, order] = /^([a-z]+)(-down)?$/.exec(state.get("sizes") ?? "") ?? [];
    return { key: key ?? "usd", down: order !== undefined };
  };
  const onSort = (key) => {
    const now = sort();
    const down = now.key === key && !now.down;
    state.set({ sizes: key === "usd" && !down ? null : down ? `${key}-down` : key });
    show();
  };

  const end = () => positionOf(Math.max(1e7, 10 * model.asked.jobs, asked.jobs));

  // The controls as the state has them, but not the one that is being typed in.
  const setControls = (typed) => {
    $("live-w").value = model.name;
    for (const [key, , factor] of NUMBERS) {
      const value = Number((asked[FIELD[key]] * factor).toPrecision(12));
      const [field, slider] = [$(`live-${key}`), $(`live-${key}-slider`)];
      if (field !== typed) field.value = value;
      if (key === "jobs") slider.max = end();
      if (slider !== typed) slider.value = key === "jobs" ? positionOf(value) : value;
      if (key === "jobs") slider.setAttribute("aria-valuetext", `${jobsWords(value)} jobs a day`);
    }
    options($("live-kind"), kinds().map((kind) => [kind, KINDS[kind]]));
    $("live-kind").value = asked.kind;
    options($("live-region"), [["", "the cheapest known region"], ...regions().map((r) => [r, r])]);
    $("live-region").value = asked.region ?? "";
  };

  const show = () => {
    const result = evaluate(model, asked);
    showVerdict(result, model, asked);
    showBest(result);
    showBands(result.bands, asked.jobs);
    showStrip(result.bands, asked.jobs, positionOf, end());
    showRanking(result.ranking, sort(), all, onSort);
    showExcluded(result.sizes);
  };

  const changed = (typed) => {
    keep();
    setControls(typed);
    show();
  };

  // A number as typed; what does not fit is said and changes nothing.
  const onNumber = ([key, fits, factor, words], input) => {
    const slider = input.type === "range";
    const typed = input.value.trim() === "" ? NaN : Number(input.value);
    const value = slider && key === "jobs" ? jobsAt(typed) : typed / factor;
    const wrong = !fits(value);
    $(`live-${key}`).setAttribute("aria-invalid", wrong);
    $("live-error").textContent = wrong ? `Give ${words}.` : "";
    if (wrong) return;
    asked[FIELD[key]] = value;
    changed(input);
  };
  for (const number of NUMBERS) {
    for (const input of [$(`live-${number[0]}`), $(`live-${number[0]}-slider`)]) {
      input.addEventListener("input", () => onNumber(number, input));
    }
  }
  $("live-w").addEventListener("change", (event) => {
    model = models.find(({ name }) => name === event.target.value) ?? models[0];
    asked.jobs = model.asked.jobs;
    changed(null);
  });
  $("live-kind").addEventListener("change", (event) => {
    asked.kind = event.target.value;
    changed(null);
  });
  $("live-region").addEventListener("change", (event) => {
    asked.region = event.target.value || null;
    changed(null);
  });
  $("live-reset").addEventListener("click", () => {
    asked = { ...model.asked };
    changed(null);
  });
  $("live-all").addEventListener("click", () => {
    all = !all;
    show();
  });
  $("live-form").addEventListener("submit", (event) => event.preventDefault());
  state.onChange(() => {
    restore();
    setControls(null);
    show();
  });
  restore();
  setControls(null);
  show();
  $("live-app").hidden = false;
}
