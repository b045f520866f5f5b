//! The join: rows of all records by `case_key`, the fastest verified implementation of each column.

use std::collections::HashMap;

use super::{Case, Cell, Column, Mode, Options, Refusal, Timing};
use crate::record::{Record, Row, Status, Time};

/// Rows of one case and column that were verified and timed, with the reasons of those that were not.
#[derive(Default)]
struct Rows<'r> {
    timed: Vec<&'r Row>,
    refused: Vec<&'r Row>,
}

/// The cases that two records or more have. What fails in a column is refused there.
pub fn join(
    records: &[(String, Record)],
    columns: &mut [Column],
    options: &Options,
    refusals: &mut Vec<Refusal>,
) -> Vec<Case> {
    let (keys, rows) = grouped(records, columns);
    let mut cases = Vec::new();
    for (key, by_column) in keys.into_iter().zip(rows) {
        refuse(key, &by_column, columns, refusals);
        let cells: Vec<(Cell, &Row)> = by_column
            .iter()
            .filter_map(|(column, rows)| cell(*column, &rows.timed, &columns[*column], options))
            .collect();
        let Some((first, row)) = cells.first() else { continue };
        let own = columns[first.column].record_index;
        if cells.iter().all(|(cell, _)| columns[cell.column].record_index == own) {
            cells.iter().for_each(|(cell, _)| columns[cell.column].alone += 1);
            continue;
        }
        let cells = cells.iter().map(|(cell, row)| (cell, *row));
        cases.push(case(key, row, cells.collect()));
    }
    cases
}

/// Case keys in the order of the records, and the rows of each by column.
type Grouped<'r> = (Vec<&'r str>, Vec<Vec<(usize, Rows<'r>)>>);

fn grouped<'r>(records: &'r [(String, Record)], columns: &[Column]) -> Grouped<'r> {
    let mut index: HashMap<&str, usize> = HashMap::new();
    let (mut keys, mut rows): Grouped = (Vec::new(), Vec::new());
    for (at, column) in columns.iter().enumerate() {
        let record = &records[column.record_index].1;
        let here = |row: &&Row| row.device == column.device && row.status != Status::Skipped;
        for row in record.rows.iter().filter(here) {
            let case = *index.entry(&row.case_key).or_insert_with(|| {
                keys.push(&row.case_key);
                rows.push(Vec::new());
                keys.len() - 1
            });
            if rows[case].last().is_none_or(|(column, _)| *column != at) {
                rows[case].push((at, Rows::default()));
            }
            let Some((_, group)) = rows[case].last_mut() else { continue };
            match row.status {
                Status::Ok => group.timed.push(row),
                _ => group.refused.push(row),
            }
        }
    }
    (keys, rows)
}

/// Says of every row without a usable time why it is not compared.
fn refuse(key: &str, by_column: &[(usize, Rows)], columns: &[Column], into: &mut Vec<Refusal>) {
    for (column, rows) in by_column {
        for row in &rows.refused {
            let reason = row.reason.as_deref().unwrap_or("no reason given");
            let status = match row.status {
                Status::WrongOutput => "wrong output",
                Status::Failed => "failed",
                _ => "not timed",
            };
            into.push(Refusal {
                what: format!("{} in {}", row.implementation, columns[*column].label),
                case_key: Some(key.to_owned()),
                // A family's own message may begin with the same words.
                reason: match reason.strip_prefix(status) {
                    Some(_) => reason.to_owned(),
                    None => format!("{status}: {reason}"),
                },
            });
        }
    }
}

fn case(key: &str, row: &Row, cells: Vec<(&Cell, &Row)>) -> Case {
    let series = cells.iter().find_map(|(_, row)| row.series.clone());
    Case {
        case_key: key.to_owned(),
        family: row.family.clone(),
        series,
        useful_unit: row.work.useful_unit.clone(),
        item_unit: row.work.item_unit.clone(),
        cells: cells.into_iter().map(|(cell, _)| cell.clone()).collect(),
    }
}

/// The fastest of `rows` by one call and by throughput; `None` where none has a time.
fn cell<'r>(
    column: usize,
    rows: &[&'r Row],
    facts: &Column,
    options: &Options,
) -> Option<(Cell, &'r Row)> {
    let mode = CALL.into_iter().find(|mode| rows.iter().any(|row| timing(row, *mode).is_some()))?;
    let mut calls: Vec<(Timing, &Row)> =
        rows.iter().filter_map(|row| Some((timing(row, mode)?, *row))).collect();
    calls.sort_by(|a, b| a.0.median_s.total_cmp(&b.0.median_s));
    let mut calls = calls.into_iter();
    let (call, row) = calls.next()?;
    let throughputs =
        rows.iter().filter_map(|row| THROUGHPUT.into_iter().find_map(|m| timing(row, m)));
    let throughput = throughputs.min_by(|a, b| {
        // Device work alone leaves the transfers out: only where there is nothing else.
        (a.mode.kernel(), a.median_s)
            .partial_cmp(&(b.mode.kernel(), b.median_s))
            .unwrap_or(std::cmp::Ordering::Equal)
    })?;
    let others = if options.all_implementations {
        calls.map(|(time, _)| time).collect()
    } else {
        Vec::new()
    };
    let per_execution = facts.usd_per_h.map(|usd| usd / 3600.0 * throughput.median_s);
    let cell = Cell {
        column,
        useful_per_s: row.work.useful / throughput.median_s,
        usd_per_item: per_execution
            .filter(|_| row.work.items > 0.0)
            .map(|usd| usd / row.work.items),
        call,
        throughput,
        speed: None,
        cost: None,
        tolerance: row.check.as_ref().map(|check| check.bound),
        others,
    };
    Some((cell, row))
}

/// What one call is compared by: the first that a column has.
const CALL: [Mode; 4] = [Mode::EndToEnd, Mode::KernelWarm, Mode::KernelCold, Mode::Pipelined];
/// What throughput follows from: the first that a row has.
const THROUGHPUT: [Mode; 4] = [Mode::Pipelined, Mode::EndToEnd, Mode::KernelWarm, Mode::KernelCold];

impl Mode {
    /// Whether it leaves transfers out.
    pub fn kernel(self) -> bool {
        matches!(self, Self::KernelWarm | Self::KernelCold)
    }
}

/// A usable time of a row: positive and finite at both ends.
fn timing(row: &Row, mode: Mode) -> Option<Timing> {
    let times = &row.times;
    let time: &Time = match mode {
        Mode::EndToEnd => times.end_to_end.as_ref(),
        Mode::Pipelined => times.pipelined.as_ref(),
        Mode::KernelWarm => times.kernel_warm.as_ref(),
        Mode::KernelCold => times.kernel_cold.as_ref(),
    }?;
    let usable = [time.median_s, time.ci95_lo_s, time.ci95_hi_s];
    usable.iter().all(|t| t.is_finite() && *t > 0.0).then(|| Timing {
        implementation: row.implementation.clone(),
        mode,
        median_s: time.median_s,
        ci95_lo_s: time.ci95_lo_s,
        ci95_hi_s: time.ci95_hi_s,
    })
}
