//! All that a report is made of: what was measured, what was judged by it, and how to do it again.

use std::collections::HashSet;

use rayon::prelude::*;

use super::figure::{self, Figure};
use crate::classify::live::Model;
use crate::classify::{HeatMap, Verdict};
use crate::compare::Comparison;
use crate::record::{Record, Row, Status};

/// What a report is made of. Its parts come from the command line; none is read or measured here.
#[derive(Debug, Clone, Copy)]
pub struct Dossier<'a> {
    /// What was judged, in the order asked for.
    pub judged: &'a [Judged],
    /// What the page judges the same workloads by; empty where it does not.
    pub models: &'a [Model],
    /// The records, each with the name it was read from.
    pub records: &'a [(String, Record)],
    /// The records side by side, or why they are not; `None` for a single one.
    pub comparison: Option<&'a Result<Comparison, String>>,
    /// Sentences to read first, such as the devices that were found.
    pub remarks: &'a [String],
    /// Which prices were used, the later over the earlier.
    pub prices: &'a [String],
    /// The command line that makes this report, program first.
    pub command: &'a [String],
}

/// A workload's verdict with what its pictures need.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The verdict.
    pub verdict: Verdict,
    /// The same at spot prices; `None` where those were asked for, or no size has one.
    pub spot: Option<Verdict>,
    /// Which kind is cheaper over demand and GPU price.
    pub heat: Option<HeatMap>,
}

/// The pictures of a dossier; no two have one id.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Figures {
    /// Of each workload, in the dossier's order.
    pub judged: Vec<Vec<Figure>>,
    /// Of the records.
    pub records: Vec<Figure>,
}

impl Figures {
    /// Draws them.
    pub fn of(dossier: &Dossier) -> Self {
        let of = |j: &Judged| figure::of_verdict(&j.verdict, j.spot.as_ref(), j.heat.as_ref());
        let (judged, records) = rayon::join(
            || dossier.judged.par_iter().map(of).collect(),
            || figure::of_records(dossier.records),
        );
        let mut figures = Self { judged, records };
        // Two workload files may hold one name.
        let mut ids = HashSet::new();
        for figure in figures.judged.iter_mut().flatten().chain(&mut figures.records) {
            let wished = figure.id.clone();
            for number in 2.. {
                if ids.insert(figure.id.clone()) {
                    break;
                }
                figure.id = format!("{wished}-{number}");
            }
            if figure.id != wished {
                figure.svg = figure.svg.replace(&wished, &figure.id);
            }
        }
        figures
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Figure> {
        self.judged.iter().flatten().chain(&self.records)
    }
}

impl Dossier<'_> {
    /// All rows of all records, each with its record.
    pub fn rows(&self) -> impl Iterator<Item = (&Record, &Row)> {
        self.records.iter().flat_map(|(_, record)| record.rows.iter().map(move |row| (record, row)))
    }

    /// Rows that ended so.
    pub fn count(&self, status: Status) -> usize {
        self.rows().filter(|(_, row)| row.status == status).count()
    }
}
