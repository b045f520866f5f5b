//! How many jobs, when in the day, and within which limits: the types and the `[demand]` table.

use std::ops::RangeInclusive;

use toml::Value as Toml;

use super::WorkloadError;
use super::parse::SECONDS;
use super::reader::{Reader, finite};

const KEYS: &[&str] = &[
    "jobs_per_day",
    "pattern",
    "window_h",
    "peak_factor",
    "peak_h_per_day",
    "hourly",
    "deadline_s",
    "latency_slo_s",
    "percentile",
];
/// Percentile of the latency objective where none is given.
const PERCENTILE: f64 = 0.99;
/// Fewer jobs a day than anybody asks about, save none at all.
const FEWEST_JOBS: f64 = 1e-6;
/// More jobs a day than anybody has; beyond it sums lose their digits.
const MOST_JOBS: f64 = 1e15;
/// Rate of the busy hours ÷ rate of the others.
const PEAK_FACTOR: RangeInclusive<f64> = 1.0..=1e4;
/// Hours of a day, from half a minute on.
const HOURS: [f64; 2] = [0.01, 24.0];

/// How many jobs, when, and within which limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    /// Jobs a day; 0 or more.
    pub jobs_per_day: f64,
    /// When in the day they come.
    pub pattern: Pattern,
    /// Seconds from start to end within which a job must be done.
    pub deadline_s: Option<f64>,
    /// Seconds within which a request must be answered, waiting included, at `percentile`.
    pub latency_slo_s: Option<f64>,
    /// Share of the requests that must meet `latency_slo_s`: above 0, below 1.
    pub percentile: f64,
}

/// When in the day the jobs come.
#[derive(Debug, Clone, PartialEq)]
pub enum Pattern {
    /// Evenly through the day.
    Steady,
    /// Evenly within one window a day, none outside.
    Batch {
        /// Hours of the window, above 0 and at most 24.
        window_h: f64,
    },
    /// One busy spell a day.
    Bursty {
        /// Rate of the spell ÷ rate of the other hours, at least 1.
        peak_factor: f64,
        /// Hours of the spell, above 0 and below 24.
        peak_h_per_day: f64,
    },
    /// A rate for each hour of the day: shares of the day's jobs, which add up to 1.
    Hourly(Box<[f64; 24]>),
}

/// A part of the day with one rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segment {
    /// Its length.
    pub hours: f64,
    /// Share of the day's jobs that come in it; all segments' shares add up to 1.
    pub share: f64,
}

impl Segment {
    /// Jobs an hour in it, of so many a day.
    pub fn jobs_per_h(&self, jobs_per_day: f64) -> f64 {
        jobs_per_day * self.share / self.hours
    }
}

impl Demand {
    /// Jobs spread evenly over the day, without limits.
    pub fn steady(jobs_per_day: f64) -> Self {
        Self {
            jobs_per_day,
            pattern: Pattern::Steady,
            deadline_s: None,
            latency_slo_s: None,
            percentile: PERCENTILE,
        }
    }
}

impl Pattern {
    /// The day in at most 24 parts of one rate each, in their order; 24 hours together.
    ///
    /// Bursty: with p hours of f times the other hours' rate b, J = p·f·b + (24 − p)·b.
    pub fn segments(&self) -> Vec<Segment> {
        match self {
            Self::Steady => vec![Segment { hours: 24.0, share: 1.0 }],
            Self::Batch { window_h } => {
                let mut day = vec![Segment { hours: *window_h, share: 1.0 }];
                if *window_h < 24.0 {
                    day.push(Segment { hours: 24.0 - window_h, share: 0.0 });
                }
                day
            }
            Self::Bursty { peak_factor, peak_h_per_day } => {
                let rest_h = 24.0 - peak_h_per_day;
                let peak = peak_h_per_day * peak_factor;
                vec![
                    Segment { hours: *peak_h_per_day, share: peak / (peak + rest_h) },
                    Segment { hours: rest_h, share: rest_h / (peak + rest_h) },
                ]
            }
            Self::Hourly(shares) => {
                shares.iter().map(|share| Segment { hours: 1.0, share: *share }).collect()
            }
        }
    }

    /// The word for it in files and reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Batch { .. } => "batch",
            Self::Bursty { .. } => "bursty",
            Self::Hourly(_) => "hourly",
        }
    }
}

/// Reads the table `[demand]`.
///
/// # Errors
/// [`WorkloadError::Field`] with the field, its value and what would do.
pub(super) fn read(root: &Reader) -> Result<Demand, WorkloadError> {
    let Some(reader) = root.table("demand")? else {
        return Err(root.bad("demand", "missing; write [demand] with jobs_per_day = …"));
    };
    reader.only(KEYS)?;
    let given = reader.number("jobs_per_day")?;
    if given.is_some_and(|jobs| !may_be_a_day(jobs)) {
        return Err(reader.bad("jobs_per_day", "must be 0 or more: 0, or from 1e-6 to 1e15"));
    }
    let (pattern, sum) = pattern(&reader, given)?;
    let Some(jobs_per_day) = given.or(sum) else {
        return Err(reader.bad("jobs_per_day", "missing; give the jobs of one day"));
    };
    let mut demand = Demand { pattern, ..Demand::steady(jobs_per_day) };
    limits(&reader, &mut demand)?;
    Ok(demand)
}

/// Whether so many jobs a day may be judged: none, or a number that dollars can be divided by.
pub fn may_be_a_day(jobs: f64) -> bool {
    jobs == 0.0 || (FEWEST_JOBS..=MOST_JOBS).contains(&jobs)
}

/// The pattern and, where it gives rates, the jobs of a day.
fn pattern(reader: &Reader, jobs: Option<f64>) -> Result<(Pattern, Option<f64>), WorkloadError> {
    let hourly = reader.table.get("hourly");
    let word =
        reader.text("pattern")?.unwrap_or(if hourly.is_some() { "hourly" } else { "steady" });
    let owners = [
        ("window_h", "batch"),
        ("peak_factor", "bursty"),
        ("peak_h_per_day", "bursty"),
        ("hourly", "hourly"),
    ];
    for (key, owner) in owners {
        if reader.table.contains_key(key) && word != owner {
            let hint = format!("belongs to pattern = \"{owner}\", and the pattern is {word}");
            return Err(reader.bad(key, &format!("{hint}; leave one of them out")));
        }
    }
    match word {
        "steady" => Ok((Pattern::Steady, None)),
        "batch" => match reader.positive("window_h", HOURS)? {
            None => Err(reader.bad("window_h", "missing; give the hours a day in which batches may run")),
            Some(window_h) => Ok((Pattern::Batch { window_h }, None)),
        },
        "bursty" => bursty(reader).map(|pattern| (pattern, None)),
        "hourly" => rates(reader, hourly, jobs).map(|(pattern, sum)| (pattern, Some(sum))),
        _ => Err(reader.bad(
            "pattern",
            "must be steady, batch (with window_h), bursty (with peak_factor and peak_h_per_day) or \
             hourly (with hourly = [24 rates])",
        )),
    }
}

fn bursty(reader: &Reader) -> Result<Pattern, WorkloadError> {
    let Some(peak_factor) = reader.number("peak_factor")? else {
        let hint = "missing; give the rate of the busy hours ÷ the rate of the others, such as 5";
        return Err(reader.bad("peak_factor", hint));
    };
    if !PEAK_FACTOR.contains(&peak_factor) {
        let hint = "the busy hours must have at least the rate of the others: from 1 to 10000";
        return Err(reader.bad("peak_factor", hint));
    }
    let Some(peak_h_per_day) = reader.positive("peak_h_per_day", HOURS)? else {
        return Err(
            reader.bad("peak_h_per_day", "missing; give the busy hours of a day, such as 4")
        );
    };
    if peak_h_per_day >= 24.0 {
        let hint = "leaves no other hours; give less than 24, or pattern = \"steady\"";
        return Err(reader.bad("peak_h_per_day", hint));
    }
    Ok(Pattern::Bursty { peak_factor, peak_h_per_day })
}

/// The shares of 24 hourly rates, and their sum.
fn rates(
    reader: &Reader,
    hourly: Option<&Toml>,
    jobs: Option<f64>,
) -> Result<(Pattern, f64), WorkloadError> {
    const HINT: &str = "must list 24 rates in jobs per hour, from midnight on, each 0 or more";
    let Some(hourly) = hourly else {
        return Err(reader.bad("hourly", "missing; give hourly = [24 rates in jobs per hour]"));
    };
    let list = hourly.as_array().ok_or_else(|| reader.bad("hourly", HINT))?;
    let rates: Vec<f64> = list.iter().filter_map(finite).filter(|rate| *rate >= 0.0).collect();
    let count = list.len();
    if rates.len() != count {
        return Err(reader.bad("hourly", HINT));
    }
    let Ok(mut shares) = <Box<[f64; 24]>>::try_from(rates.into_boxed_slice()) else {
        return Err(reader.bad("hourly", &format!("{HINT}; these are {count}")));
    };
    let sum: f64 = shares.iter().sum();
    if !may_be_a_day(sum) {
        let hint = format!("adds up to {sum:e} jobs a day; must be 0, or from 1e-6 to 1e15");
        return Err(reader.bad("hourly", &hint));
    }
    if sum == 0.0 {
        if jobs.is_some_and(|jobs| jobs > 0.0) {
            let hint = "all rates are 0 and cannot be scaled to jobs_per_day; give the day's shape";
            return Err(reader.bad("hourly", hint));
        }
        shares.fill(1.0 / 24.0);
    } else {
        shares.iter_mut().for_each(|rate| *rate /= sum);
    }
    Ok((Pattern::Hourly(shares), sum))
}

/// Deadline and latency objective.
fn limits(reader: &Reader, demand: &mut Demand) -> Result<(), WorkloadError> {
    demand.deadline_s = reader.positive("deadline_s", SECONDS)?;
    demand.latency_slo_s = reader.positive("latency_slo_s", SECONDS)?;
    if demand.deadline_s.is_some() && demand.latency_slo_s.is_some() {
        let hint = "stands beside latency_slo_s; give deadline_s for jobs that run, or latency_slo_s \
                    for requests that are answered";
        return Err(reader.bad("deadline_s", hint));
    }
    if demand.latency_slo_s.is_some() && matches!(demand.pattern, Pattern::Batch { .. }) {
        let hint = "is for requests as they come, and a batch waits for its window; give deadline_s, \
                    or another pattern";
        return Err(reader.bad("latency_slo_s", hint));
    }
    let Some(percentile) = reader.number("percentile")? else { return Ok(()) };
    if demand.latency_slo_s.is_none() {
        let hint = "says how many requests meet latency_slo_s, which is missing; give both";
        return Err(reader.bad("percentile", hint));
    }
    if !(0.01..=0.999_999).contains(&percentile) {
        let hint = "must be a share above 0 and below 1, from 0.01 to 0.999999, such as 0.99: no \
                    finite number of nodes answers every request in time";
        return Err(reader.bad("percentile", hint));
    }
    demand.percentile = percentile;
    Ok(())
}
