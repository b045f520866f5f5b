//! The result for people.

use std::collections::BTreeMap;

use breakeven::plan::Skip;
use comfy_table::{CellAlignment, Table, presets};

use crate::arms::Row;

/// Peers that are not here, each once, with the reason.
pub fn missing(skips: &[Skip]) {
    let mut told = BTreeMap::new();
    for skip in skips.iter().filter(|skip| skip.implementation.starts_with("cpu/")) {
        told.entry(skip.implementation).or_insert(&skip.reason);
    }
    for (name, reason) in told {
        eprintln!("not compared: {name}: {reason}");
    }
}

/// A line a case and peer, then the geometric means.
pub fn table(rows: &[Row]) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "case", "threads", "ours", "peer", "ours G/s", "peer G/s", "ratio", "95 %", "of peak",
    ]);
    for row in rows {
        table.add_row([
            row.case.clone(),
            row.threads.to_string(),
            row.ours.clone(),
            row.peer.clone(),
            format!("{:.1}", row.ours_per_s / 1e9),
            format!("{:.1}", row.peer_per_s / 1e9),
            format!("{:.2}", row.ratio),
            format!("{:.2}–{:.2}", row.ratio_lo, row.ratio_hi),
            row.of_roofline.map_or_else(|| "?".into(), |share| format!("{share:.2}")),
        ]);
    }
    for column in [1, 4, 5, 6, 7, 8] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    println!("{table}");
    println!("\nours ÷ peer, geometric mean over the cases (lowest):");
    for (group, ratios) in groups(rows) {
        println!("  {group}: {}", mean(&ratios));
    }
}

/// Ratios by family, type, threads and peer, and against the best peer of each case.
fn groups(rows: &[Row]) -> BTreeMap<String, Vec<f64>> {
    let mut groups: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut best: BTreeMap<(&str, u32), f64> = BTreeMap::new();
    for row in rows {
        groups.entry(format!("{}, {}", kind(row), row.peer)).or_default().push(row.ratio);
        let lowest = best.entry((&row.case, row.threads)).or_insert(f64::INFINITY);
        *lowest = lowest.min(row.ratio);
    }
    for ((case, threads), ratio) in best {
        let row = rows.iter().find(|r| r.case == case && r.threads == threads);
        if let Some(row) = row {
            groups.entry(format!("{}, best of all", kind(row))).or_default().push(ratio);
        }
    }
    groups
}

/// `matmul f32, 2 threads` or `alignment local dna, 2 threads`.
fn kind(row: &Row) -> String {
    let mut kind = row.case.split(' ').next().unwrap_or_default().to_owned();
    for name in ["dtype=", "mode=", "alphabet="] {
        if let Some(value) = row.case.split(' ').find_map(|word| word.strip_prefix(name)) {
            kind += &format!(" {value}");
        }
    }
    format!("{kind}, {} threads", row.threads)
}

fn mean(ratios: &[f64]) -> String {
    let mean = (ratios.iter().map(|r| r.ln()).sum::<f64>() / ratios.len() as f64).exp();
    let lowest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    format!("{mean:.2} ({lowest:.2}), {} cases", ratios.len())
}
