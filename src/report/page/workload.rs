//! One workload: the sentence, both bills, why, what would turn it, what to measure, pictures, sizes.

use super::answer::{badge, short};
use super::escape::{command, name, prose, sentence};
use super::{html, words};
use crate::classify::{Side, SkuCost, Verdict};
use crate::report::dossier::Judged;
use crate::report::figure::Figure;
use crate::report::numbers::count;
use crate::report::verdicts;
use crate::units::{seconds, usd};

/// Sizes of each side in the ranking of a page with few workloads, and with many.
const SIZES: [usize; 2] = [40, 12];
/// Workloads from which a page has many.
const MANY: usize = 4;

/// The section of workload `number` (from 1) of `of`; `live` is its part that recomputes.
pub fn section(
    number: usize,
    of: usize,
    judged: &Judged,
    figures: &[Figure],
    live: &str,
) -> String {
    let verdict = &judged.verdict;
    let id = format!("workload-{number}");
    let mut out = format!(
        "<section id={id} aria-labelledby={id}-heading><div class=titled>\
         <h2 id={id}-heading>{}</h2>{}</div>\n",
        name(&verdict.workload),
        badge(verdict)
    );
    // A page of one has said it at the top.
    if of > 1 {
        out += &format!("<p class=lede>{}</p>\n", sentence(&verdict.headline));
    }
    if !verdict.summary.is_empty() {
        out += &format!("<p class=hush>{}</p>\n", prose(&verdict.summary));
    }
    out += &bills(verdict);
    if !verdict.sentences.is_empty() {
        out += &format!("<p>{}</p>\n", prose(&verdict.sentences.join(" ")));
    }
    out += &why(verdict);
    out += &turns(verdict);
    out += &next(verdict);
    out += &html::figures(figures);
    out += live;
    let many = of >= MANY;
    let sizes = ranking(verdict, SIZES[usize::from(many)]);
    out += &if many { html::folded("VM sizes, best first", &sizes) } else { sizes };
    out += "</section>\n";
    out
}

/// What the best size of each kind costs, side by side.
fn bills(verdict: &Verdict) -> String {
    let month = |best: &Option<SkuCost>| best.as_ref()?.usd_per_month.map(|e| e.median);
    let most = month(&verdict.best_cpu).unwrap_or(0.0).max(month(&verdict.best_gpu).unwrap_or(0.0));
    let sides = [
        ("CPU", "cpu", Side::Cpu, &verdict.best_cpu),
        ("GPU", "gpu", Side::Gpu, &verdict.best_gpu),
    ];
    let bills: String = sides
        .iter()
        .map(|(title, class, side, best)| {
            let best_of_both = verdict.lean == Some(*side);
            let marked = if best_of_both { " best" } else { "" };
            let body = best.as_ref().map_or_else(
                || {
                    "<p class=usd>–</p><p>No size of this kind can do it at a known cost; why, \
                     stands under the sizes left out, below.</p>"
                        .into()
                },
                |cost| bill(cost, most),
            );
            let told = if best_of_both { ", the cheaper by medians" } else { "" };
            format!("<li class=\"{class}{marked}\"><p class=side>{title}{told}</p>{body}</li>")
        })
        .collect();
    format!("<ul class=bills>{bills}</ul>\n")
}

fn bill(cost: &SkuCost, most_usd: f64) -> String {
    let (usd_told, share, interval) = match cost.usd_per_month {
        Some(e) => {
            let share = if most_usd > 0.0 { 100.0 * e.median / most_usd } else { 0.0 };
            let interval = verdicts::interval(Some(e), usd);
            (format!("{} <span>a month</span>", usd(e.median)), share, interval)
        }
        None => ("–".into(), 0.0, "–".into()),
    };
    let nodes = verdicts::nodes(cost);
    let mut facts =
        vec![format!("<b>{}</b>, {nodes} {}", name(&short(cost)), plural_nodes(&nodes))];
    facts.extend(cost.usd_per_job.map(|e| format!("{} a job", usd(e.median))));
    facts.extend(cost.latency_s.map(|e| format!("a job takes {}", seconds(e.median))));
    let interval = match interval.as_str() {
        "same" => "as many whole nodes at both ends of the 90 % interval".to_owned(),
        other => format!("90 % interval {other} a month"),
    };
    format!(
        "<p class=usd>{usd_told}</p><div class=bar><i style=\"width:{share:.1}%\"></i></div>\
         <p>{}</p><p class=\"small hush\">{}; times {}</p>",
        facts.join(", "),
        name(&interval),
        words::origin(cost),
    )
}

fn plural_nodes(nodes: &str) -> &'static str {
    if nodes == "1" { "node" } else { "nodes" }
}

fn why(verdict: &Verdict) -> String {
    if verdict.reasons.is_empty() {
        return String::new();
    }
    let lines: String = verdict
        .reasons
        .iter()
        .map(|r| format!("<li><span class=tag>{}</span> {}", name(&r.code), prose(&r.text)))
        .collect();
    format!("<h3>Why</h3><ul class=reasons>{lines}</ul>\n")
}

fn turns(verdict: &Verdict) -> String {
    let lines = verdicts::break_even(verdict);
    if lines.is_empty() {
        return String::new();
    }
    let lines: String = lines
        .iter()
        .map(|line| {
            let (what, text) = line.split_once(": ").unwrap_or(("", line));
            format!("<dt>{}<dd>{}", name(&capital(what)), prose(text))
        })
        .collect();
    format!("<h3>What would change it</h3><dl class=turns>{lines}</dl>\n")
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

fn next(verdict: &Verdict) -> String {
    if verdict.measure_next.is_empty() {
        return String::new();
    }
    let lines: String = verdict
        .measure_next
        .iter()
        .map(|s| {
            let money = s.usd.map_or_else(|| "price unknown".into(), usd);
            format!(
                "<li>On <b>{}</b>, {:.0} min, {money}: {}<br><code>{}</code>",
                name(&s.sku),
                s.minutes,
                prose(&s.why),
                command(&s.command)
            )
        })
        .collect();
    format!("<h3>What to measure to settle it</h3><ol class=next>{lines}</ol>\n")
}

fn ranking(verdict: &Verdict, sizes: usize) -> String {
    let (table, cut) = verdicts::best_sizes(verdict, sizes);
    let mut out = String::new();
    if !table.rows.is_empty() {
        out += &html::table(&format!("VM sizes for {}", verdict.workload), &table);
    }
    if cut > 0 {
        out += &format!(
            "<p class=\"small hush\">{} more can do it, for more money; the CSV beside this page has all.</p>\n",
            count(cut, "VM size")
        );
    }
    let excluded = verdicts::exclusions(verdict);
    out + &html::folded("VM sizes left out, and why", &html::list(&excluded))
}
