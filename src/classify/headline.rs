//! The sentence that comes first: verdict, money of both sides, how sure, from which demand on, and
//! where the times come from.

use super::candidate::Candidate;
use super::judge::{Contest, Outcome};
use super::words::{chance, dollars, side_name, whole};
use super::{DemandBand, Kind, Side};
use crate::cost::Origin;

fn month(candidate: Option<&Candidate>) -> Option<f64> {
    candidate?.median_usd_per_month()
}

/// The sentence; `bands` are those of demand, on nodes of the workload's own.
pub(super) fn headline(outcome: &Outcome, bands: &[DemandBand]) -> String {
    let Some(((contest, gpu), cpu)) = outcome.contest.zip(outcome.gpu).zip(outcome.cpu) else {
        return one_sided(outcome);
    };
    let (Some(g), Some(c)) = (month(outcome.gpu), month(outcome.cpu)) else {
        return one_sided(outcome);
    };
    let winner = winner(outcome.verdict, &contest);
    let money = match winner {
        Side::Gpu => against(gpu, cpu, "against"),
        Side::Cpu => against(cpu, gpu, "against"),
    };
    let saved = dollars((g - c).abs());
    let from = holds(outcome, bands, winner).map(|where_| format!(", cheaper by median {where_}"));
    let (from, times) = (from.unwrap_or_default(), times(gpu, cpu));
    match outcome.verdict {
        Kind::Gpu => {
            let p = chance(contest.probability_gpu());
            format!("gpu: {money} saves {saved}, {p}{from}{times}")
        }
        Kind::SharedGpu => {
            let p = chance(contest.probability_gpu());
            format!("shared-gpu: {money} saves {saved}, {p}; a whole GPU would not{from}{times}")
        }
        Kind::Cpu => {
            let p = chance(contest.probability_cpu());
            format!("cpu: {money} saves {saved}, {p}{from}{times}")
        }
        Kind::Either => format!(
            "either: {} are within the margin, {}{times}",
            against(gpu, cpu, "and"),
            chance(contest.probability_either())
        ),
        Kind::MeasureFirst => {
            let p = match winner {
                Side::Gpu => contest.probability_gpu(),
                Side::Cpu => contest.probability_cpu(),
            };
            format!(
                "measure first: leans {}, as {money} would save about {saved}, {} that it saves the \
                 margin asked for{from}{times}",
                side_name(winner),
                chance(p)
            )
        }
    }
}

/// The side that the sentence is about.
fn winner(verdict: Kind, contest: &Contest) -> Side {
    match verdict {
        Kind::Gpu | Kind::SharedGpu => Side::Gpu,
        Kind::Cpu => Side::Cpu,
        Kind::Either | Kind::MeasureFirst => contest.lean(),
    }
}

/// `$31.00 a month on one G8 against $148 on 2 × C8 ($0.002 against $0.01 a job)`.
fn against(one: &Candidate, other: &Candidate, word: &str) -> String {
    let (one_usd, other_usd) = (month(Some(one)), month(Some(other)));
    let usd = |usd: Option<f64>| usd.map_or_else(|| "–".into(), dollars);
    let job = |c: &Candidate| c.usd_per_job().map(|usd| dollars(usd.median));
    let jobs = match (job(one), job(other)) {
        (Some(one), Some(other)) => format!(" ({one} {word} {other} a job)"),
        _ => String::new(),
    };
    format!("{} a month {} {word} {} {}{jobs}", usd(one_usd), on(one), usd(other_usd), on(other))
}

/// What the money is for: `on one G8`, `on up to 3 × G8q with 1/4 T100`, `for its part of …`.
fn on(candidate: &Candidate) -> String {
    if candidate.shared.is_some() {
        return format!("for its part of {}", candidate.title());
    }
    let name = &candidate.sku.name;
    let size = match candidate.fractional() {
        true => format!("{name} with {}", candidate.device()),
        false => name.clone(),
    };
    match candidate.fleet() {
        Some(fleet) if fleet.most > 1.0 => {
            let up_to = if fleet.fewest < fleet.most { "up to " } else { "" };
            format!("on {up_to}{} × {size}", whole(fleet.most))
        }
        Some(_) => format!("on one {size}"),
        None => format!("on {size}"),
    }
}

/// The demands around the one asked for at which `winner` is cheaper by medians; `None` where the
/// bands, which are those of own nodes, do not tell.
fn holds(outcome: &Outcome, bands: &[DemandBand], winner: Side) -> Option<String> {
    let sizes = [outcome.gpu?, outcome.cpu?];
    if sizes.iter().any(|c| c.shared.is_some()) {
        return None;
    }
    let asked = outcome.gpu?.jobs_per_day;
    let here = bands.iter().rfind(|band| band.from_jobs_per_day <= asked)?;
    if here.cheaper != winner {
        return None;
    }
    let first = here.from_jobs_per_day == 0.0;
    let jobs = |jobs: f64| whole(jobs.ceil());
    Some(match here.to_jobs_per_day {
        None if first => "at every demand looked at".into(),
        None => format!("from {} jobs a day on", jobs(here.from_jobs_per_day)),
        Some(to) if first => format!("below {} jobs a day", jobs(to)),
        Some(to) => format!("from {} to {} jobs a day", jobs(here.from_jobs_per_day), jobs(to)),
    })
}

/// Where the times of both come from.
fn times(gpu: &Candidate, cpu: &Candidate) -> String {
    match (origin(gpu), origin(cpu)) {
        (Some(gpu), Some(cpu)) if gpu == cpu => format!("; both {gpu}"),
        (Some(gpu), Some(cpu)) => format!("; GPU {gpu}, CPU {cpu}"),
        _ => String::new(),
    }
}

fn origin(candidate: &Candidate) -> Option<&'static str> {
    Some(match candidate.job.as_ref()?.origin {
        Origin::Declared => "declared",
        Origin::Measured => "measured",
        Origin::Interpolated => "interpolated",
        Origin::Imported => "imported",
        Origin::Predicted => "predicted",
        Origin::Prior => "by prior",
    })
}

/// Where one side has no cost, or there is nothing to do.
fn one_sided(outcome: &Outcome) -> String {
    // `$31.00 a month on one G8 ($0.002 a job; measured)`
    let told = |c: Option<&Candidate>| {
        let (c, usd) = (c?, month(c)?);
        let job = c.usd_per_job().map(|usd| format!("{} a job", dollars(usd.median)));
        let notes: Vec<String> =
            [job, origin(c).map(str::to_owned)].into_iter().flatten().collect();
        let notes =
            if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) };
        Some(format!("{} a month {}{notes}", dollars(usd), on(c)))
    };
    let (gpu, cpu) = (told(outcome.gpu), told(outcome.cpu));
    if outcome.idle {
        let told: Vec<String> = [gpu, cpu].into_iter().flatten().collect();
        let told = if told.is_empty() { "at an unknown cost".into() } else { told.join(", ") };
        return format!("measure first: no jobs a day, so a node would only stand idle: {told}");
    }
    match (outcome.verdict, gpu, cpu) {
        (Kind::Gpu, Some(gpu), _) => format!("gpu: no CPU size can do it; {gpu}"),
        (Kind::Cpu, _, Some(cpu)) => {
            let why = if outcome.gpu_unused {
                "no stage would use a GPU"
            } else {
                "no GPU size can do it"
            };
            format!("cpu: {why}; {cpu}")
        }
        (_, Some(gpu), None) => {
            format!("measure first: no CPU size can be judged; a GPU would cost {gpu}")
        }
        (_, None, Some(cpu)) => {
            format!("measure first: no GPU size can be judged; a CPU would cost {cpu}")
        }
        _ => "measure first: no size of either kind can be judged".into(),
    }
}

#[cfg(test)]
mod tests {
    use crate::classify::{Options, Verdict, classify};
    use crate::cost::fixture::*;
    use crate::workload::Transfer;

    fn run(cpu_s: f64, gpu_s: f64, factor: f64, usd: [f64; 2], jobs: f64) -> Verdict {
        let resolved = workload(100.0, jobs, Transfer::ConstantsResident);
        let records = measured_pair(cpu_s, gpu_s, factor);
        classify(&resolved, &records, &catalog(usd[0], usd[1]), &Options::default())
    }

    #[test]
    fn a_gpu_verdict_tells_money_nodes_certainty_demand_and_origin() {
        // 60 × C8 at $1 against 2 × G8 at $4 for 100,000 jobs a day: 30.4 · 24 · 60 = $43,776 and
        // 30.4 · 24 · 8 = $5,836.80; a job 1440 ÷ 100,000 and 192 ÷ 100,000. Four C8 cost one G8,
        // and the fifth is needed after 4 · 70 · 24 = 6720 jobs.
        assert_eq!(
            run(0.36, 0.009, 1.02, [1.0, 4.0], 100_000.0).headline,
            "gpu: $5,837 a month on 2 × G8 against $43,776 on 60 × C8 ($0.00192 against $0.0144 a \
             job) saves $37,939, P > 0.99, cheaper by median from 6,721 jobs a day on; both measured"
        );
    }

    #[test]
    fn a_cpu_verdict_below_the_crossing_says_below_it() {
        // One node of each: $729.60 and $2918.40 a month, $0.24 and $0.96 a job.
        assert_eq!(
            run(0.36, 0.009, 1.3, [1.0, 4.0], 100.0).headline,
            "cpu: $730 a month on one C8 against $2,918 on one G8 ($0.24 against $0.96 a job) saves \
             $2,189, P > 0.99, cheaper by median below 6,721 jobs a day; both measured"
        );
    }

    #[test]
    fn a_winner_at_every_demand_is_not_given_a_crossing() {
        // A GPU size at half the price that does more is cheaper whatever the demand.
        let told = run(0.36, 0.009, 1.02, [1.0, 0.5], 100.0).headline;
        assert!(told.contains(", cheaper by median at every demand looked at;"), "{told}");
    }

    #[test]
    fn a_lean_and_a_tie_keep_their_words() {
        let told = run(0.1, 0.05, 3.0, [1.0, 1.0], 1e6).headline;
        assert!(told.starts_with("measure first: leans GPU, as $"), "{told}");
        assert!(told.contains(" would save about $"), "{told}");
        assert!(told.contains(" that it saves the margin asked for"), "{told}");
        // $1 and $1.02 an hour: 30.4 · 24 · 1.02 = $744.19.
        let told = run(0.1, 0.1, 1.1, [1.0, 1.02], 100.0).headline;
        let either = "either: $744 a month on one G8 and $730 on one C8 ($0.24 and $0.24 a job) are \
                      within the margin, P > 0.99; both measured";
        assert_eq!(told, either);
    }
}
