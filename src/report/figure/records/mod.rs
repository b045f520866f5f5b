//! The pictures that are made of records.

mod crossover;
mod roofline;
mod samples;
mod select;
mod speed_up;
mod split;
#[cfg(test)]
mod tests;
mod throughput;
mod words;

use std::collections::HashSet;

use breakeven_kernels::work::DeviceKind;

use self::select::{Curve, curves};
use super::Figure;
use super::text::slug;
use crate::record::Record;
use crate::report::numbers::count;

/// Pictures of all records together, so that a report of a hundred stays a page.
const MOST: usize = 48;
/// Pictures of one record.
const MOST_OF_ONE: usize = 24;

/// A picture that could be drawn.
enum Wish<'w, 'r> {
    Throughput(&'w Curve<'r>),
    SpeedUp(&'w Curve<'r>),
    Roofline(&'r str),
    Split,
    Samples,
}

/// The pictures of the records, each with the name that it was read from: how fast at which size, how
/// many times faster, how close to the roofs, where the time goes, how sure the samples are. At most 48,
/// shared evenly; the last one says how many were left out.
pub fn of_records(records: &[(String, Record)]) -> Vec<Figure> {
    let curves: Vec<Vec<Curve>> = records.iter().map(|(_, record)| curves(record)).collect();
    let wishes: Vec<Vec<Wish>> =
        records.iter().zip(&curves).map(|((_, record), curves)| wishes(record, curves)).collect();
    let allowed = shares(&wishes.iter().map(Vec::len).collect::<Vec<_>>());
    let mut figures = Vec::new();
    let mut ids = HashSet::new();
    for (n, ((_, record), wishes)) in records.iter().zip(&wishes).enumerate() {
        let of = if records.len() > 1 { format!("r{}-", n + 1) } else { String::new() };
        for wish in &wishes[..allowed[n]] {
            let id = unique(&mut ids, format!("{}-{of}{}", wish.kind(), wish.name()));
            figures.extend(wish.draw(id, record));
        }
    }
    let left_out = wishes.iter().map(Vec::len).sum::<usize>() - allowed.iter().sum::<usize>();
    if let Some(last) = figures.last_mut().filter(|_| left_out > 0) {
        let verb = if left_out == 1 { "is" } else { "are" };
        let note =
            format!(" {} of these records {verb} left out.", count(left_out, "more picture"));
        last.svg = last.svg.replacen("</desc>", &format!("{note}</desc>"), 1);
        last.finding += &note;
    }
    figures
}

/// What to draw of one record, the most telling first.
fn wishes<'w, 'r>(record: &'r Record, curves: &'w [Curve<'r>]) -> Vec<Wish<'w, 'r>> {
    let both = |curve: &&Curve| curve.measured(DeviceKind::Cpu) && curve.measured(DeviceKind::Gpu);
    let mut wishes = Vec::new();
    for curve in curves.iter().filter(both) {
        wishes.push(Wish::Throughput(curve));
        if !crossover::duels(curve).is_empty() {
            wishes.push(Wish::SpeedUp(curve));
        }
    }
    let roofs = roofline::drawable(record).into_iter();
    wishes.extend(roofs.map(|device| Wish::Roofline(device.id.as_str())));
    wishes.extend(split::recorded(record).then_some(Wish::Split));
    wishes.push(Wish::Samples);
    let alone = curves.iter().filter(|curve| !both(curve));
    wishes.extend(alone.map(Wish::Throughput));
    wishes
}

/// How many of its wishes each record gets: one each in turn until none is left.
fn shares(wishes: &[usize]) -> Vec<usize> {
    let mut allowed = vec![0; wishes.len()];
    let mut left = MOST;
    for turn in 0..MOST_OF_ONE {
        for (allowed, wishes) in allowed.iter_mut().zip(wishes) {
            if left > 0 && *wishes > turn {
                *allowed += 1;
                left -= 1;
            }
        }
    }
    allowed
}

/// The id, with a number where it is taken.
fn unique(ids: &mut HashSet<String>, wished: String) -> String {
    let wished = wished.trim_end_matches('-').to_owned();
    let mut id = wished.clone();
    let mut number = 2;
    while !ids.insert(id.clone()) {
        id = format!("{wished}-{number}");
        number += 1;
    }
    id
}

impl Wish<'_, '_> {
    fn kind(&self) -> &'static str {
        match self {
            Self::Throughput(_) => "throughput",
            Self::SpeedUp(_) => "speed-up",
            Self::Roofline(_) => "roofline",
            Self::Split => "time-split",
            Self::Samples => "samples",
        }
    }

    /// What of the record it is about, fit for an id.
    fn name(&self) -> String {
        match self {
            Self::Throughput(curve) | Self::SpeedUp(curve) => {
                let fixed = curve.series.key.split(' ').filter(|p| !p.ends_with("=*"));
                let values: Vec<&str> =
                    fixed.map(|p| p.split_once('=').map_or(p, |(_, value)| value)).collect();
                slug(&format!("{} {}", values.join(" "), curve.series.axis), 48)
            }
            Self::Roofline(device) => slug(device, 48),
            Self::Split | Self::Samples => String::new(),
        }
    }

    fn draw(&self, id: String, record: &Record) -> Option<Figure> {
        match self {
            Self::Throughput(curve) => Some(throughput::figure(id, curve)),
            Self::SpeedUp(curve) => speed_up::figure(id, curve),
            Self::Roofline(device) => roofline::figure(id, record, device),
            Self::Split => split::figure(id, record),
            Self::Samples => samples::figure(id, record),
        }
    }
}
