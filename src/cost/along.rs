//! Times between and beyond the measured members of a series.
//!
//! Inside the range: the *time* (not the rate) log–log between the two neighbours. Beyond it only
//! batches of items go on, as t0 + N/r. Everything else is left to prediction.

use super::Estimate;

/// Interval factor of interpolation between neighbours up to a factor of 4 apart, and again for
/// each further factor of 4: a curve bends unseen.
pub const INTERPOLATED: f64 = 1.1;
/// Interval factor of extrapolation up to ten times beyond the range, and again for each further
/// factor of 10: caches and queues change.
pub const EXTRAPOLATED: f64 = 1.3;

/// A measured member: its value on the axis, and a time in seconds.
pub type Point = (f64, Estimate);

/// Time at `x` on the log–log polyline through `points` (sorted by value): the point's own where
/// `x` is one, else the interpolated median within the interpolated ends, widened by the gap.
/// `None` outside of them.
///
/// Where the axis counts `items`, the interval also holds the straight line between the
/// neighbours, which is the exact answer for t0 + N/r.
pub fn inside(points: &[Point], x: f64, items: bool) -> Option<Estimate> {
    if let Some((_, t)) = points.iter().find(|(v, _)| *v == x) {
        return Some(*t);
    }
    let pair = points.windows(2).find(|w| w[0].0 < x && x < w[1].0)?;
    let ((from, a), (to, b)) = (pair[0], pair[1]);
    let gap = (to / from).ln();
    let share = (x / from).ln() / gap;
    let at = |a: f64, b: f64| (a.ln() + share * (b / a).ln()).exp();
    let curve = Estimate {
        median: at(a.median, b.median),
        lo90: at(a.lo90, b.lo90),
        hi90: at(a.hi90, b.hi90),
    };
    let mut time = curve.widened(INTERPOLATED.powf((gap / 4f64.ln()).max(1.0)));
    if items {
        let straight = a.median + (b.median - a.median) * (x - from) / (to - from);
        time.lo90 = time.lo90.min(straight);
        time.hi90 = time.hi90.max(straight);
    }
    Some(time)
}

/// Time of `n` items beyond the range of `points` (sorted, at least two): t0 + n/r with the rate
/// of the two points at that end of the range, of every end of their intervals, widened by the
/// distance. `None` with fewer points.
pub fn beyond(points: &[Point], n: f64) -> Option<Estimate> {
    let [.., before, last] = points else { return None };
    let (first, after) = (points.first()?, points.get(1)?);
    let upward = n > last.0;
    let ((low, a), (high, b)) = if upward { (*before, *last) } else { (*first, *after) };
    let line = |a: f64, b: f64| batch_line((low, a), (high, b), n);
    // A steeper line is a slower rate above the range and a smaller t0 below it.
    let corners = [
        line(a.median, b.median),
        line(a.lo90, b.hi90),
        line(a.hi90, b.lo90),
        line(a.lo90, b.lo90),
        line(a.hi90, b.hi90),
    ];
    let own = Estimate {
        median: corners[0],
        lo90: corners.into_iter().fold(f64::INFINITY, f64::min),
        hi90: corners.into_iter().fold(0.0, f64::max),
    };
    let distance = if upward { n / high } else { low / n };
    Some(own.widened(EXTRAPOLATED.powf(distance.log10().max(1.0))))
}

/// t0 + n/r through two points (items, seconds), the smaller first: t0 is not let below 0 (then
/// the line is proportional to the larger point), nor 1/r below 0 (then the time is constant).
fn batch_line(a: (f64, f64), b: (f64, f64), n: f64) -> f64 {
    let per_item = ((b.1 - a.1) / (b.0 - a.0)).max(0.0);
    let fixed = (b.1 - per_item * b.0).max(0.0);
    let per_item = if fixed == 0.0 { b.1 / b.0 } else { per_item };
    fixed + per_item * n
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a / b - 1.0).abs() < 1e-9, "{a} is not {b}");
    }

    fn exact(points: &[(f64, f64)]) -> Vec<Point> {
        points.iter().map(|(x, t)| (*x, Estimate::exact(*t))).collect()
    }

    #[test]
    fn inside_the_range_time_is_log_log() {
        let points = exact(&[(1.0, 1.0), (4.0, 16.0), (64.0, 20.0)]);
        // From 1 to 4 the slope is 2: 2² = 4, within ×1.1 for a factor of 4.
        let t = inside(&points, 2.0, false).expect("inside");
        close(t.median, 4.0);
        close(t.hi90, 4.4);
        // From 4 to 64 is two factors of 4: 1.1² = 1.21. At 16, half the way: √(16 · 20).
        let t = inside(&points, 16.0, false).expect("inside");
        close(t.median, 320f64.sqrt());
        close(t.hi90, 320f64.sqrt() * 1.21);
        // A member is itself, and nothing is said outside.
        assert_eq!(inside(&points, 64.0, false), Some(Estimate::exact(20.0)));
        assert_eq!(inside(&points, 65.0, false), None);
        assert_eq!(inside(&points, 0.5, false), None);
    }

    #[test]
    fn the_interval_holds_the_ends_of_its_neighbours_and_the_straight_line_of_items() {
        let points = [(1.0, Estimate::within(1.0, 1.2)), (4.0, Estimate::within(16.0, 1.2))];
        // ln 1.2 = 0.182322 and ln 1.1 = 0.095310 in quadrature: 0.205731; e^0.205731 = 1.228423.
        let t = inside(&points, 2.0, false).expect("inside");
        assert!((t.hi90 / 4.0 - 1.228_423).abs() < 1e-6, "{}", t.hi90);
        // The straight line from (1, 1) to (4, 16) is at 6 for 2 items.
        let t = inside(&points, 2.0, true).expect("inside");
        close(t.median, 4.0);
        close(t.hi90, 6.0);
    }

    #[test]
    fn batches_go_on_as_t0_plus_n_over_r() {
        // 10 → 1.5 s and 20 → 2 s: 0.05 s an item and t0 = 1 s, so 100 → 6 s within ×1.3.
        let points = exact(&[(1.0, 1.2), (10.0, 1.5), (20.0, 2.0)]);
        let t = beyond(&points, 100.0).expect("two points");
        close(t.median, 6.0);
        close(t.hi90, 6.0 * 1.3);
        // A hundred times beyond: 2000 → 101 s within 1.3².
        close(beyond(&points, 2000.0).expect("two points").hi90, 101.0 * 1.69);
        // A line through negative t0 becomes proportional: 20 → 3 s, so 100 → 15 s.
        let t = beyond(&exact(&[(10.0, 1.0), (20.0, 3.0)]), 100.0).expect("two");
        close(t.median, 15.0);
        // Below, the two smallest: 0.0333 s an item and t0 = 1.1667, so half an item → 1.1833.
        let t = beyond(&points, 0.5).expect("two points");
        close(t.median, 1.2 - 0.5 * 0.3 / 9.0);
        assert_eq!(beyond(&points[..1], 100.0), None);
    }

    #[test]
    fn an_extrapolated_rate_is_no_surer_than_its_two_points() {
        // 10 → 1 s and 20 → 2 s, each within ×1.25: at worst 0.8 → 2.5 s, proportional as t0
        // would be negative: 12.5 s for 100. At best 1.25 → 1.6 s: 0.035 an item, t0 = 0.9: 4.4.
        let points = [(10.0, Estimate::within(1.0, 1.25)), (20.0, Estimate::within(2.0, 1.25))];
        let t = beyond(&points, 100.0).expect("two points");
        close(t.median, 10.0);
        // ln(10/4.4) = 0.820981, ln 1.3 = 0.262364: 0.861884; 10 / e^0.861884 = 4.223656.
        assert!((t.lo90 - 4.223_656).abs() < 1e-5, "{}", t.lo90);
        // ln 1.25 = 0.223144 and ln 1.3: 0.344425; 10 · e^0.344425 = 14.111772.
        assert!((t.hi90 - 14.111_772).abs() < 1e-5, "{}", t.hi90);
    }

    proptest! {
        #[test]
        fn intervals_hold_their_medians_and_are_finite(
            t in 1e-6..1.0f64, growth in 1.0..100.0f64, gap in 1.1..1000.0f64,
            at in 0.01..1e5f64, factor in 1.0..3.0f64,
        ) {
            let points =
                [(1.0, Estimate::within(t, factor)), (gap, Estimate::within(t * growth, factor))];
            let found = [inside(&points, at, true), beyond(&points, at)];
            for e in found.into_iter().flatten() {
                prop_assert!(e.lo90 > 0.0 && e.hi90.is_finite());
                prop_assert!(e.lo90 <= e.median && e.median <= e.hi90, "{:?}", e);
            }
        }
    }
}
