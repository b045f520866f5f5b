//! What a size costs at a demand: pace, fleet, money.

use std::cmp::Ordering;

use super::candidate::Candidate;
use super::share::Shared;
use crate::cost::fleet::{Fleet, Objective, Pace};
use crate::cost::node::JobOn;
use crate::cost::parts::CostParts;
use crate::cost::{Estimate, Level, money, spot};

/// Orders candidates by their monthly cost in USD; costs that agree in seven digits are a tie, which
/// goes to [`Candidate::tie`].
pub(super) fn cheaper(a: (f64, &Candidate), b: (f64, &Candidate)) -> Ordering {
    (a.0 as f32).total_cmp(&(b.0 as f32)).then_with(|| a.1.tie(b.1))
}

/// More nodes than all clouds have; beyond it counts lose their digits.
const MOST_NODES: f64 = 1e15;

impl<'a> Candidate<'a> {
    /// The order of two candidates of equal median cost: by the upper end of its interval, then by
    /// the cost at full load, then by vCPUs of a node, then by name, so that the order of rows does
    /// not matter. Seven digits count: sums of equal prices may differ in the last bit.
    fn tie(&self, other: &Candidate) -> Ordering {
        let upper = |e: Option<Estimate>| e.map_or(f32::INFINITY, |e| e.hi90 as f32);
        let middle = |e: Option<Estimate>| e.map_or(f32::INFINITY, |e| e.median as f32);
        let month = || upper(self.usd_per_month()).total_cmp(&upper(other.usd_per_month()));
        let full_load = || {
            let (a, b) = (self.usd_per_job_full_load(), other.usd_per_job_full_load());
            middle(a).total_cmp(&middle(b))
        };
        month()
            .then_with(full_load)
            .then_with(|| self.sku.vcpus.cmp(&other.sku.vcpus))
            .then_with(|| self.sku.name.cmp(&other.sku.name))
    }

    /// The same size with another job.
    pub fn with_job(&self, job: JobOn) -> Candidate<'a> {
        let mut other = Candidate { reasons: Vec::new(), ..self.clone() };
        other.set_job(job);
        other
    }

    /// Takes the job, and works out the nodes of the day.
    pub fn set_job(&mut self, job: JobOn) {
        self.job = Some(job);
        let pace = self.pace(Level::Mid, Level::Mid);
        self.day = pace.map(|pace| self.rules.fleet(self.jobs_per_day, pace));
    }

    /// What a node does with device and network times at these levels; on spot nodes, with what
    /// evictions cost taken off.
    pub fn pace(&self, device: Level, io: Level) -> Option<Pace> {
        let job = self.job.as_ref()?;
        let usage = job.usage(device, io);
        let (jobs_per_h, _) = job.jobs_per_h(&usage);
        let pace = Pace {
            jobs_per_h,
            latency_s: usage.latency_s,
            scatter: job.scatter(device, usage.latency_s),
        };
        Some(match self.evictions_per_h {
            Some(rate) => spot::evicted(pace, rate, self.rules.start_up_h),
            None => pace,
        })
    }

    /// Jobs per hour of a node at full load, slow devices giving the low end.
    pub fn throughput(&self) -> Option<Estimate> {
        let at = |level| Some(self.pace(level, level)?.jobs_per_h);
        Some(Estimate { median: at(Level::Mid)?, lo90: at(Level::Hi)?, hi90: at(Level::Lo)? })
    }

    /// USD a month at `jobs_per_day` with device and network times at these levels; `None` where a
    /// price or time is unknown, or so extreme that no number holds the cost.
    pub fn usd_per_month_at(&self, jobs_per_day: f64, device: Level, io: Level) -> Option<f64> {
        if let Some(shared) = &self.shared {
            let usd = shared.usd_per_month(self, jobs_per_day, device, io);
            return usd.filter(|usd| usd.is_finite());
        }
        let hours = self.rules.node_hours(jobs_per_day, self.pace(device, io)?);
        Some(money::usd_per_month(hours, self.usd_per_h?)).filter(|usd| usd.is_finite())
    }

    /// Drops a job of which no number holds the cost, or only one that no fleet has; whether it did.
    pub fn drop_uncountable(&mut self) -> bool {
        let most = self.day.as_ref().map_or(0.0, |day| day.most);
        let unpriced = self.usd_per_h.is_some() && self.usd_per_month().is_none();
        let uncountable = self.job.is_some() && (unpriced || most.is_nan() || most > MOST_NODES);
        if uncountable {
            (self.job, self.day) = (None, None);
        }
        uncountable
    }

    /// The same at the workload's demand and by medians.
    pub fn median_usd_per_month(&self) -> Option<f64> {
        self.usd_per_month_at(self.jobs_per_day, Level::Mid, Level::Mid)
    }

    /// Interval of the monthly cost at the demand.
    pub fn usd_per_month(&self) -> Option<Estimate> {
        let at = |l| self.usd_per_month_at(self.jobs_per_day, l, l);
        Some(Estimate { median: at(Level::Mid)?, lo90: at(Level::Lo)?, hi90: at(Level::Hi)? })
    }

    /// USD a job at the demand; `None` without jobs.
    pub fn usd_per_job(&self) -> Option<Estimate> {
        let jobs_per_month = money::DAYS_PER_MONTH * self.jobs_per_day;
        let month = self.usd_per_month().filter(|_| jobs_per_month > 0.0)?;
        Some(month.map(|usd| usd / jobs_per_month))
    }

    /// The same by what it is spent on, by medians.
    pub fn usd_per_job_parts(&self) -> Option<CostParts> {
        let (at_demand, full_load) = (self.usd_per_job()?, self.usd_per_job_full_load()?);
        Some(CostParts::of(self.job.as_ref()?, at_demand.median, full_load.median))
    }

    /// USD a job at full load.
    pub fn usd_per_job_full_load(&self) -> Option<Estimate> {
        let part = self.shared.as_ref().map_or(1.0, Shared::part_of_price);
        let price = self.usd_per_h? * part;
        let x = self.throughput()?;
        Some(Estimate {
            median: money::usd_per_job_full_load(price, x.median),
            lo90: money::usd_per_job_full_load(price, x.hi90),
            hi90: money::usd_per_job_full_load(price, x.lo90),
        })
    }

    /// Nodes through the day at the demand, by medians.
    pub fn fleet(&self) -> Option<&Fleet> {
        self.day.as_ref()
    }

    /// Nodes of the fullest hour by medians, and the share of the paid capacity in use:
    /// λ / (X · node-hours), both of a day.
    pub fn nodes(&self) -> Option<(f64, f64)> {
        let fleet = self.fleet()?;
        let capacity = fleet.node_hours * self.pace(Level::Mid, Level::Mid)?.jobs_per_h;
        Some((fleet.most, self.jobs_per_day / capacity))
    }

    /// Seconds within which the objective's share of requests is answered in the fullest hour, by
    /// medians, with the objective; `None` where the latency of a job is not known.
    pub fn latency_at_percentile(&self) -> Option<(f64, Objective)> {
        let objective = self.rules.objective?;
        let wait_s = self.fleet()?.spells.iter().map(|s| s.wait_s).fold(0.0, f64::max);
        let service_s =
            self.job.as_ref().filter(|_| self.latency_known).map(JobOn::latency)?.median;
        Some((service_s + wait_s, objective))
    }
}
