//! The top of the page: the answer in one line, and a line for each workload.

use super::escape::{name, prose, sentence};
use super::words;
use crate::classify::{SkuCost, Verdict};
use crate::report::dossier::Dossier;
use crate::report::numbers::{UNKNOWN, percent};
use crate::report::verdicts::{origin, probability, side_name};
use crate::units::{thousands, usd};

/// The header: what this is, the answer, what it rests on.
pub fn header(dossier: &Dossier) -> String {
    let lede = match dossier.judged {
        [one] => format!("<p class=lede>{}</p>", sentence(&one.verdict.headline)),
        _ => String::new(),
    };
    let stamps: String =
        words::stamps(dossier).iter().map(|stamp| format!("<li>{}", name(stamp))).collect();
    let remarks: String =
        dossier.remarks.iter().map(|r| format!("<p class=hush>{}</p>", prose(r))).collect();
    format!(
        "<header class=top><p class=eyebrow>breakeven report</p><h1>{}</h1>{lede}{remarks}\
         <ul class=stamps>{stamps}</ul></header>\n",
        name(&words::title(dossier)),
    )
}

/// A verdict as glyph, word and colour.
pub fn badge(verdict: &Verdict) -> String {
    let (glyph, word) = words::kind(verdict.verdict);
    let class = crate::report::verdict_name(verdict.verdict);
    format!(
        "<span class=\"verdict {class}\"><span class=glyph aria-hidden=true>{glyph}</span>{word}</span>"
    )
}

/// Titles of the verdict table; a number's are set to the right.
const TITLES: [(&str, bool); 7] = [
    ("Workload", false),
    ("Run it on", false),
    ("CPU a month", false),
    ("GPU a month", false),
    ("GPU saves", true),
    ("P(GPU wins)", true),
    ("Turns at jobs/day", true),
];

/// One line a workload; empty without verdicts.
pub fn verdicts(dossier: &Dossier) -> String {
    if dossier.judged.is_empty() {
        return String::new();
    }
    let head: String = TITLES
        .iter()
        .map(|(title, number)| {
            format!("<th scope=col{}>{title}", if *number { " class=n" } else { "" })
        })
        .collect();
    let body: String =
        dossier.judged.iter().enumerate().map(|(i, j)| line(i + 1, &j.verdict)).collect();
    let caption = "The verdicts, with the money of both kinds of node";
    format!(
        "<section id=verdicts aria-labelledby=verdicts-heading><h2 id=verdicts-heading>Verdicts</h2>\
         <div class=scroll role=group tabindex=0 aria-label=\"{caption}\"><table>\
         <caption>{caption}</caption><thead><tr>{head}<tbody>{body}</table></div>\
         <p class=\"small hush\">P(GPU wins): the probability that the GPU is cheaper by the margin \
         asked for, {}. How each time is known stands beside its size. Turns at: the last demand at \
         which the cheaper kind changes, and to which.</p></section>\n",
        margin(dossier),
    )
}

fn margin(dossier: &Dossier) -> String {
    let margin = dossier.judged.first().map_or(0.0, |j| j.verdict.options.margin);
    percent(margin)
}

fn line(number: usize, verdict: &Verdict) -> String {
    let bill = |best: &Option<SkuCost>| match best {
        Some(cost) => {
            let month = cost.usd_per_month.map_or_else(|| UNKNOWN.into(), |e| usd(e.median));
            let size = name(&short(cost));
            format!("<b>{month}</b> <span class=hush>{size}, {}</span>", origin(cost))
        }
        None => UNKNOWN.into(),
    };
    let last = verdict.break_even.demand_bands.last().map(|band| side_name(band.cheaper));
    let turns = verdict.break_even.last_crossing_jobs_per_day;
    let turns = turns.zip(last).map(|(jobs, side)| format!("{side} from {}", thousands(jobs)));
    let cells = [
        (false, badge(verdict)),
        (false, bill(&verdict.best_cpu)),
        (false, bill(&verdict.best_gpu)),
        (true, words::savings(verdict).unwrap_or_else(|| UNKNOWN.into())),
        (true, verdict.probability_gpu.map_or_else(|| UNKNOWN.into(), probability)),
        (true, turns.unwrap_or_else(|| UNKNOWN.into())),
    ];
    let cells: String = cells
        .iter()
        .map(|(number, cell)| format!("<td{}>{cell}", if *number { " class=n" } else { "" }))
        .collect();
    format!(
        "<tr><th scope=row><a href=\"#workload-{number}\">{}</a>{cells}",
        name(&verdict.workload)
    )
}

/// A size without what all sizes of Azure begin with.
pub fn short(cost: &SkuCost) -> String {
    let size = cost.size();
    size.strip_prefix("Standard_").map_or_else(|| size.clone(), str::to_owned)
}
