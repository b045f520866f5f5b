//! What the pictures have in common: axes with grid and titles, series, legends, labels that keep
//! clear of each other.

use super::paint::{Look, Paint};
use super::scale::{Scale, Tick};
use super::sheet::{Anchor, Area, Marker, Place, Sheet, TEXT, WIDTH};
use super::text::{fitted, width};

/// Height of a line of text.
pub const LINE: f64 = 22.0;

/// Two axes over an area.
pub struct Plot {
    pub area: Area,
    pub x: Scale,
    pub y: Scale,
}

/// Which values an axis marks, and what it is.
pub struct Axis<'a> {
    pub ticks: Vec<Tick>,
    /// Quantity and unit.
    pub title: &'a str,
}

/// Colour, shape and dash of a series: any one of them tells it apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mark {
    pub paint: Paint,
    pub marker: Marker,
    pub look: Look,
}

/// The marks in the order in which series take them.
pub const MARKS: [Mark; 5] = [
    Mark { paint: Paint::Series(0), marker: Marker::Circle, look: Look::Plain },
    Mark { paint: Paint::Series(1), marker: Marker::Square, look: Look::Plain },
    Mark { paint: Paint::Series(2), marker: Marker::Triangle, look: Look::Dashed },
    Mark { paint: Paint::Series(3), marker: Marker::Diamond, look: Look::DashDotted },
    Mark { paint: Paint::Ink, marker: Marker::Ring, look: Look::Dotted },
];

/// A value of a series with the range that it lies in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dot {
    pub x: f64,
    pub y: f64,
    pub lo: f64,
    pub hi: f64,
}

impl Plot {
    /// Where the values are on the sheet.
    pub fn at(&self, x: f64, y: f64) -> Place {
        (self.x_at(x), self.y_at(y))
    }

    pub fn x_at(&self, x: f64) -> f64 {
        self.area.x + self.x.share(x) * self.area.width
    }

    pub fn y_at(&self, y: f64) -> f64 {
        self.area.bottom() - self.y.share(y) * self.area.height
    }

    /// Grid, ticks, titles. The title of the height stands above its axis, so that nobody has to
    /// turn the head.
    /// Between it and the axes `strip` is left free.
    pub fn frame(&self, sheet: &mut Sheet, strip: f64, x: &Axis, y: &Axis) {
        let Area { x: left, y: top, .. } = self.area;
        let (right, bottom) = (self.area.right(), self.area.bottom());
        for tick in &y.ticks {
            let at = self.y_at(tick.value);
            sheet.line((left, at), (right, at), Paint::Grid, 1.0);
            sheet.text((left - 7.0, at), Anchor::End, TEXT, Paint::Muted, &tick.label);
        }
        let places: Vec<f64> = x.ticks.iter().map(|tick| self.x_at(tick.value)).collect();
        for at in &places {
            sheet.line((*at, bottom), (*at, bottom + 5.0), Paint::Muted, 1.0);
        }
        // A label at the edge of the sheet moves inwards, not out of it.
        let inside = |(at, tick): (&f64, &Tick)| {
            let room = width(&tick.label, TEXT) / 2.0 + 4.0;
            at.clamp(room, (WIDTH - room).max(room))
        };
        let middles: Vec<f64> = places.iter().zip(&x.ticks).map(inside).collect();
        for n in shown(&middles, &x.ticks) {
            let at = (middles[n], bottom + 16.0);
            sheet.text(at, Anchor::Middle, TEXT, Paint::Muted, &x.ticks[n].label);
        }
        sheet.line((left, bottom), (right, bottom), Paint::Muted, 1.0);
        let title = fitted(y.title, WIDTH - 12.0, TEXT);
        sheet.text((6.0, top - strip - 16.0), Anchor::Start, TEXT, Paint::Muted, &title);
        let title = fitted(x.title, WIDTH - 12.0, TEXT);
        let half = width(&title, TEXT) / 2.0;
        let middle = (left + right) / 2.0;
        let middle = middle.clamp(half + 4.0, (WIDTH - half - 4.0).max(half + 4.0));
        sheet.text((middle, bottom + 40.0), Anchor::Middle, TEXT, Paint::Muted, &title);
    }

    /// The dots with their ranges, joined by a thin line.
    pub fn series(&self, sheet: &mut Sheet, dots: &[Dot], mark: Mark) {
        let line: Vec<Place> = dots.iter().map(|d| self.at(d.x, d.y)).collect();
        if line.len() > 1 {
            sheet.path(line, mark.paint.with(mark.look), 1.5);
        }
        for dot in dots {
            let ((x, lo), (_, hi)) = (self.at(dot.x, dot.lo), self.at(dot.x, dot.hi));
            // A range inside the marker cannot be seen.
            if lo - hi > 10.0 {
                sheet.line((x, lo), (x, hi), mark.paint, 1.5);
                for end in [lo, hi] {
                    sheet.line((x - 4.0, end), (x + 4.0, end), mark.paint, 1.5);
                }
            }
            sheet.marker(self.at(dot.x, dot.y), mark.marker, mark.paint);
        }
    }

    /// Names to the right of where the series end, shifted apart where they would meet.
    pub fn end_labels(&self, sheet: &mut Sheet, ends: &[(f64, String)]) {
        let wished: Vec<f64> = ends.iter().map(|(y, _)| self.y_at(*y)).collect();
        let places = apart(&wished, LINE - 3.0, self.area.y, self.area.bottom());
        let x = self.area.right() + 9.0;
        for (y, (_, name)) in places.into_iter().zip(ends) {
            let name = fitted(name, WIDTH - x - 2.0, TEXT);
            sheet.text((x, y), Anchor::Start, TEXT, Paint::Ink, &name);
        }
    }
}

/// The ticks whose labels keep clear of each other: every one, else every other, … up to the last.
fn shown(places: &[f64], ticks: &[Tick]) -> Vec<usize> {
    let half = |n: usize| width(&ticks[n].label, TEXT) / 2.0;
    let clear = |chosen: &Vec<usize>| {
        chosen.windows(2).all(|pair| {
            let [a, b] = [pair[0], pair[1]];
            places[a] + half(a) + 6.0 <= places[b] - half(b)
        })
    };
    let every =
        |step: usize| (0..ticks.len()).filter(move |n| (ticks.len() - 1 - n).is_multiple_of(step));
    let choices = (1..=ticks.len()).map(|step| every(step).collect());
    choices.into_iter().find(clear).unwrap_or_default()
}

/// The wished places, moved as little as needed to be `gap` apart and between `from` and `to`; in
/// the order given.
pub fn apart(wished: &[f64], gap: f64, from: f64, to: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wished.len()).collect();
    order.sort_by(|a, b| wished[*a].total_cmp(&wished[*b]));
    // Runs of labels that touch, each centred on what its labels wish.
    let mut runs: Vec<(f64, usize)> = Vec::new();
    for index in &order {
        let mut run = (wished[*index], 1);
        while let Some(last) = runs.last() {
            let half = |n: usize| gap * (n as f64 - 1.0) / 2.0;
            if run.0 - half(run.1) >= last.0 + half(last.1) + gap {
                break;
            }
            let number = last.1 + run.1;
            let shifted = (last.0 * last.1 as f64 + run.0 * run.1 as f64) / number as f64;
            run = (shifted, number);
            runs.pop();
        }
        runs.push(run);
    }
    let spots = runs.iter().flat_map(|(centre, number)| {
        let first = centre - gap * (*number as f64 - 1.0) / 2.0;
        (0..*number).map(move |n| first + gap * n as f64)
    });
    let mut places = vec![0.0; wished.len()];
    let mut lowest = from;
    for (index, spot) in order.iter().zip(spots) {
        places[*index] = f64::max(spot, lowest);
        lowest = places[*index] + gap;
    }
    let mut highest = to;
    for index in order.iter().rev() {
        places[*index] = f64::min(places[*index], highest);
        highest = places[*index] - gap;
    }
    places
}

/// Words with their marks, which `lines` join or not, in as many rows as they need from `top` on; the
/// height used.
pub fn legend(sheet: &mut Sheet, top: f64, entries: &[(Mark, String)], lines: bool) -> f64 {
    let words: Vec<String> =
        entries.iter().map(|(_, words)| fitted(words, WIDTH - 60.0, TEXT)).collect();
    let sign = if lines { 30.0 } else { 12.0 };
    flow(&words, sign + 8.0, top, |n, x, y| {
        let mark = entries[n].0;
        if lines {
            sheet.line((x, y), (x + sign, y), mark.paint.with(mark.look), 1.5);
        }
        sheet.marker((x + sign / 2.0, y), mark.marker, mark.paint);
        sheet.text((x + sign + 8.0, y), Anchor::Start, TEXT, Paint::Ink, &words[n]);
    })
}

/// The same for areas.
pub fn area_legend(sheet: &mut Sheet, top: f64, entries: &[(Paint, &str)]) -> f64 {
    let words: Vec<String> = entries.iter().map(|(_, words)| (*words).to_owned()).collect();
    flow(&words, 20.0, top, |n, x, y| {
        let area = Area { x, y: y - 6.0, width: 13.0, height: 13.0 };
        sheet.rect(area, entries[n].0, 1.0);
        sheet.border(area, Paint::Muted);
        sheet.text((x + 20.0, y), Anchor::Start, TEXT, Paint::Ink, &words[n]);
    })
}

/// Sets words in lines, each with `before` in front of it for a sign; tells `place` where.
pub fn flow(
    words: &[String],
    before: f64,
    top: f64,
    mut place: impl FnMut(usize, f64, f64),
) -> f64 {
    let (left, right) = (6.0, WIDTH - 6.0);
    let (mut x, mut y) = (left, top + LINE / 2.0);
    for (n, words) in words.iter().enumerate() {
        let needed = before + width(words, TEXT);
        if x > left && x + needed > right {
            (x, y) = (left, y + LINE);
        }
        place(n, x, y);
        x += needed + 18.0;
    }
    if words.is_empty() { 0.0 } else { y + LINE / 2.0 - top }
}

/// Names of points, each set where it meets nothing that is there already.
pub struct Labels {
    inside: Area,
    taken: Vec<Area>,
}

impl Labels {
    /// Labels that stay inside of an area.
    pub fn new(inside: Area) -> Self {
        Self { inside, taken: Vec::new() }
    }

    /// Keeps an area clear.
    pub fn keep_clear(&mut self, area: Area) {
        self.taken.push(area);
    }

    /// Keeps the point clear.
    pub fn keep_point_clear(&mut self, (x, y): Place) {
        self.keep_clear(Area { x: x - 6.0, y: y - 6.0, width: 12.0, height: 12.0 });
    }

    /// Names the point where there is room; whether there was.
    pub fn name(&mut self, sheet: &mut Sheet, (x, y): Place, name: &str) -> bool {
        let w = width(name, TEXT);
        let beside = [
            (9.0, -8.0),
            (-w - 9.0, -8.0),
            (-w / 2.0, -25.0),
            (-w / 2.0, 9.0),
            (9.0, -22.0),
            (9.0, 6.0),
            (-w - 9.0, -22.0),
            (-w - 9.0, 6.0),
        ];
        self.set(sheet, &beside.map(|(dx, dy)| (x + dx, y + dy)), name)
    }

    /// Sets a name with its upper left corner at the first of the places where there is room; whether
    /// there was.
    pub fn set(&mut self, sheet: &mut Sheet, places: &[Place], name: &str) -> bool {
        let w = width(name, TEXT);
        let area = |(x, y): &Place| Area { x: *x, y: *y, width: w, height: 17.0 };
        let free = |area: &Area| {
            self.inside.holds(area) && !self.taken.iter().any(|taken| taken.meets(area))
        };
        let Some(area) = places.iter().map(area).find(free) else { return false };
        let at = (area.x, area.y + area.height / 2.0);
        sheet.text(at, Anchor::Start, TEXT, Paint::Ink.with(Look::Halo), name);
        self.taken.push(area);
        true
    }
}

/// Ticks at the values themselves where they are few, else round ones.
pub fn ticks_at(values: &[f64], scale: &Scale, most: usize) -> Vec<Tick> {
    if values.len() > most {
        return scale.ticks(most);
    }
    values.iter().map(|v| Tick { value: *v, label: super::scale::number(*v) }).collect()
}

/// Room to the left of a plot for the longest of its labels.
pub fn room_for(ticks: &[Tick]) -> f64 {
    ticks.iter().map(|t| width(&t.label, TEXT)).fold(20.0, f64::max) + 14.0
}

/// Room to the right of a plot for the longest of the names, with an upper bound.
pub fn room_for_names(names: &[(f64, String)]) -> f64 {
    let longest = names.iter().map(|(_, name)| width(name, TEXT)).fold(0.0, f64::max);
    if names.is_empty() { 16.0 } else { (longest + 14.0).min(165.0) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn labels_move_apart_as_little_as_they_need() {
        assert_eq!(apart(&[10.0, 50.0], 20.0, 0.0, 100.0), [10.0, 50.0]);
        // Two that touch part by half of what lacks; the order given is kept.
        assert_eq!(apart(&[52.0, 48.0], 20.0, 0.0, 100.0), [60.0, 40.0]);
        assert_eq!(apart(&[99.0, 98.0], 20.0, 0.0, 100.0), [100.0, 80.0]);
        assert_eq!(apart(&[], 20.0, 0.0, 100.0), [0.0; 0]);
    }

    proptest! {
        #[test]
        fn labels_never_meet(wished in prop::collection::vec(0.0..300.0f64, 0..12)) {
            let mut places = apart(&wished, 20.0, 0.0, 300.0);
            places.sort_by(f64::total_cmp);
            for pair in places.windows(2) {
                prop_assert!(pair[1] - pair[0] > 20.0 - 1e-9);
            }
        }
    }

    #[test]
    fn a_name_that_has_no_room_is_not_set() {
        let mut sheet = Sheet::new(100.0);
        let mut labels = Labels::new(Area { x: 0.0, y: 0.0, width: 100.0, height: 40.0 });
        assert!(labels.name(&mut sheet, (10.0, 20.0), "first"));
        assert!(!labels.name(&mut sheet, (50.0, 20.0), &"W".repeat(40)));
    }
}
