//! Judgements on rounds made by hand.

use proptest::prelude::*;

use super::decide::{Control, control};
use super::*;

/// Cands as ratios to a base of 2 seconds; orders alternate.
fn pairs(ratios: &[f64]) -> Vec<Pair> {
    let first = |at: usize| if at.is_multiple_of(2) { Arm::Base } else { Arm::Cand };
    let pair = |(at, ratio): (usize, &f64)| Pair {
        round: at as u32 + 1,
        first: first(at),
        base: 2.0,
        cand: 2.0 * ratio,
        cycles: None,
    };
    ratios.iter().enumerate().map(pair).collect()
}

/// `n` ratios around `centre`, 0.1 % apart.
fn around(centre: f64, n: usize) -> Vec<Pair> {
    let offset = |at: usize| (at as f64 - (n as f64 - 1.0) / 2.0) * 0.001;
    pairs(&(0..n).map(|at| centre * (1.0 + offset(at))).collect::<Vec<_>>())
}

fn row(metric: &str, class: MetricClass, screen: Vec<Pair>, confirm: Vec<Pair>) -> RowData {
    let id = RowId {
        case_key: "matmul m=64".to_owned(),
        implementation: "cpu/simd".to_owned(),
        device: "cpu".to_owned(),
        metric: metric.to_owned(),
    };
    RowData { id, class, screen, confirm, fault: None }
}

fn run(rows: Vec<RowData>) -> Measured {
    Measured { rows, control: around(1.0, 8), cut_short: None }
}

fn rules() -> Rules {
    Rules::new(Machine::Shared)
}

/// Verdict of a single row.
fn verdict(row: RowData) -> (RowVerdict, Overall, String) {
    let judgement = judge(&run(vec![row]), &rules());
    let judged = &judgement.rows[0];
    (judged.verdict, judgement.overall, judged.reason.clone())
}

#[test]
fn suspects_are_those_that_moved_by_half_the_margin_either_way() {
    let rows = [1.0, 1.02, 1.04, 0.96, 0.98]
        .map(|centre| row("kernel_warm", MetricClass::Cpu, around(centre, 8), vec![]));
    // Half of ln 1.05 is 2.44 %: 1.04 is above, 1.02 below.
    assert_eq!(suspects(&run(rows.to_vec()), &rules()), [2, 3]);
}

#[test]
fn only_fresh_rounds_make_a_regression() {
    let slow = |confirm| row("kernel_warm", MetricClass::Cpu, around(1.2, 8), confirm);
    let (said, overall, reason) = verdict(slow(around(1.2, 16)));
    assert_eq!((said, overall), (RowVerdict::Regressed, Overall::Regressed));
    assert!(reason.starts_with("20.0 % slower, by more than the margin of 5.0 %"), "{reason}");
    // The screening alone, however clear, is not enough; nor are rounds that do not repeat it.
    let (said, overall, reason) = verdict(slow(vec![]));
    assert_eq!((said, overall), (RowVerdict::Inconclusive, Overall::Uninterpretable));
    assert!(reason.contains("was not confirmed in fresh rounds"), "{reason}");
    assert_eq!(verdict(slow(around(1.0, 16))).0, RowVerdict::Same);
    // 0.01 needs 2⁻⁷; six rounds cannot.
    let (said, _, reason) = verdict(slow(around(1.2, 6)));
    assert_eq!(said, RowVerdict::Inconclusive);
    assert!(
        reason.contains("only 6 confirming rounds") && reason.contains("7 or more"),
        "{reason}"
    );
    // Fresh rounds that say the opposite do not count either.
    assert_eq!(verdict(slow(around(0.8, 16))).0, RowVerdict::Inconclusive);
}

#[test]
fn improvements_need_the_same_proof() {
    let fast = row("kernel_warm", MetricClass::Cpu, around(0.8, 8), around(0.8, 16));
    let (said, overall, reason) = verdict(fast);
    assert_eq!((said, overall), (RowVerdict::Improved, Overall::Passed));
    assert!(reason.starts_with("20.0 % faster"), "{reason}");
}

#[test]
fn same_and_inconclusive_differ_by_the_interval() {
    let calm = row("kernel_warm", MetricClass::Cpu, around(1.01, 8), vec![]);
    assert_eq!(verdict(calm.clone()).0, RowVerdict::Same);
    let wild = pairs(&[0.8, 1.25, 0.9, 1.1, 1.2, 0.85, 1.0, 1.02]);
    let judgement = judge(&run(vec![RowData { screen: wild, ..calm }]), &rules());
    let judged = &judgement.rows[0];
    assert_eq!(judged.verdict, RowVerdict::Inconclusive);
    assert!(judged.reason.contains("would have been seen with 90 % power"), "{}", judged.reason);
    assert!(judged.detectable.unwrap() > 0.2, "{judged:?}");
    assert!(judged.ratio_lo.unwrap() < 1.0 && judged.ratio_hi.unwrap() > 1.0);
}

#[test]
fn a_gpu_row_must_be_slower_in_cycles_too() {
    let timed = |cycles: fn(f64) -> f64| {
        let mut confirm = around(1.2, 16);
        confirm.iter_mut().for_each(|p| p.cycles = Some([1e9, 1e9 * cycles(p.cand / p.base)]));
        row("kernel_warm", MetricClass::GpuWarm, around(1.2, 8), confirm)
    };
    assert_eq!(verdict(timed(|ratio| ratio)).0, RowVerdict::Regressed);
    let (said, overall, reason) = verdict(timed(|_| 1.0));
    assert_eq!((said, overall), (RowVerdict::ClockLimited, Overall::Passed));
    assert!(reason.contains("20.0 % slower in time") && reason.contains("in cycles"), "{reason}");
    // A CPU's row is judged by time alone.
    let cpu = RowData { class: MetricClass::Cpu, ..timed(|_| 1.0) };
    assert_eq!(verdict(cpu).0, RowVerdict::Regressed);
}

#[test]
fn exact_metrics_know_no_margin_and_no_statistics() {
    let exact = |base: f64, cands: [f64; 2]| {
        let mut screen = pairs(&[1.0, 1.0]);
        screen.iter_mut().zip(cands).for_each(|(p, c)| (p.base, p.cand) = (base, c));
        verdict(row("launches", MetricClass::Exact, screen, vec![]))
    };
    assert_eq!(exact(1000.0, [1001.0; 2]).0, RowVerdict::Regressed);
    assert_eq!(exact(1000.0, [999.0; 2]).0, RowVerdict::Improved);
    assert_eq!(exact(0.0, [0.0; 2]).0, RowVerdict::Same);
    assert_eq!(exact(0.0, [1.0; 2]).0, RowVerdict::Regressed);
    assert_eq!(exact(1000.0, [1000.0, 1001.0]).0, RowVerdict::Inconclusive);
    assert_eq!(exact(1000.0, [1001.0, 1002.0]).0, RowVerdict::Regressed);
    assert_eq!(exact(f64::NAN, [1.0; 2]).1, Overall::Uninterpretable);
}

#[test]
fn the_control_is_divided_out_or_ends_the_comparison() {
    let rows = |centre| vec![row("a", MetricClass::Cpu, around(centre, 8), around(centre, 16))];
    let with = |control: f64, centre| {
        judge(&Measured { control: around(control, 24), ..run(rows(centre)) }, &rules())
    };
    // The whole machine was 3 % slower in the candidate's processes: 1.07 ÷ 1.03 is 3.9 %.
    assert_eq!(with(1.0, 1.07).overall, Overall::Regressed);
    let moved = with(1.03, 1.07);
    assert_eq!(moved.overall, Overall::Passed, "{moved:?}");
    assert!((moved.rows[0].ratio.unwrap() - 1.07 / 1.03).abs() < 1e-4);
    assert!(moved.remarks.iter().any(|r| r.contains("moved by +3.0 %")), "{:?}", moved.remarks);
    let contaminated = with(1.08, 1.3);
    assert_eq!(contaminated.overall, Overall::Uninterpretable);
    assert_eq!(contaminated.rows[0].verdict, RowVerdict::Contaminated);
    assert!(contaminated.headline.contains("+8.0 %"), "{}", contaminated.headline);
    let suspected = suspects(&Measured { control: around(1.08, 8), ..run(rows(1.3)) }, &rules());
    assert_eq!(suspected, [0usize; 0]);
    // A control that is only noisy has not moved.
    let noisy =
        Measured { control: pairs(&[0.8, 1.3, 0.9, 1.2, 1.3, 0.85, 1.1, 1.2]), ..run(vec![]) };
    assert!(matches!(control(&noisy, &rules()), Control::Still { .. }));
}

#[test]
fn a_contaminated_run_still_tells_of_wrong_outputs() {
    let mut broken = row("a", MetricClass::Cpu, vec![], vec![]);
    broken.fault = Some((Arm::Cand, Fault::WrongOutput("element 3 is 7, not 8".to_owned())));
    let judgement = judge(&Measured { control: around(1.2, 8), ..run(vec![broken]) }, &rules());
    assert_eq!(judgement.overall, Overall::Regressed);
    assert!(judgement.headline.contains("element 3 is 7, not 8"), "{}", judgement.headline);
}

#[test]
fn faults_count_against_the_candidate_only() {
    let with = |arm| {
        let mut faulty = row("a", MetricClass::Cpu, around(0.5, 8), around(0.5, 16));
        faulty.fault = Some((arm, Fault::TimedOut("after 10 s".to_owned())));
        verdict(faulty)
    };
    let (said, overall, reason) = with(Arm::Cand);
    assert_eq!((said, overall), (RowVerdict::Broken, Overall::Regressed));
    assert_eq!(reason, "the candidate ran into its time limit: after 10 s");
    let (said, overall, _) = with(Arm::Base);
    assert_eq!((said, overall), (RowVerdict::Inconclusive, Overall::Uninterpretable));
}

#[test]
fn nothing_compared_is_never_a_pass() {
    assert_eq!(judge(&Measured::default(), &rules()).overall, Overall::Uninterpretable);
    let (said, overall, reason) = verdict(row("a", MetricClass::Cpu, around(1.0, 4), vec![]));
    assert_eq!((said, overall), (RowVerdict::Inconclusive, Overall::Uninterpretable));
    assert!(reason.contains("4 rounds cannot reach significance; 5 or more"), "{reason}");
    // A clock that stepped back in three rounds of eight; in one it is left out.
    let stepped = |bad: usize| {
        let mut screen = around(1.0, 8);
        screen.iter_mut().take(bad).for_each(|p| p.cand = -1.0);
        verdict(row("a", MetricClass::Cpu, screen, vec![]))
    };
    assert_eq!(stepped(3).1, Overall::Uninterpretable);
    let (said, _, reason) = stepped(1);
    assert_eq!(said, RowVerdict::Same);
    assert!(reason.contains("1 rounds without a usable time"), "{reason}");
}

#[test]
fn too_many_rows_for_the_rounds_is_told() {
    let rows: Vec<RowData> = (0..700)
        .map(|_| row("a", MetricClass::Exact, pairs(&[1.0]), vec![]))
        .map(|r| RowData { class: MetricClass::Cpu, ..r })
        .collect();
    let judgement = judge(&run(rows), &rules());
    // 2⁻¹⁶ is above 0.01 ÷ 700, 2⁻¹⁷ below.
    let told = "with 700 rows, 16 confirming rounds cannot reach significance; 17 can";
    assert!(judgement.remarks.iter().any(|r| r == told), "{:?}", judgement.remarks);
}

proptest! {
    #[test]
    fn swapping_the_arms_swaps_the_verdict(
        centre in 0.7f64..1.4,
        noise in prop::collection::vec(-0.05f64..0.05, 24),
    ) {
        let ratios: Vec<f64> = noise.iter().map(|n| centre * n.exp()).collect();
        let forth = row("a", MetricClass::Cpu, pairs(&ratios[..8]), pairs(&ratios[8..]));
        let swap = |pairs: &[Pair]| pairs
            .iter()
            .rev()
            .map(|p| Pair { base: 1e3 * p.cand, cand: 1e3 * p.base, ..*p })
            .collect::<Vec<_>>();
        let back = row("a", MetricClass::Cpu, swap(&forth.screen), swap(&forth.confirm));
        // Order of rounds and unit of time change nothing.
        let verdict = |row| decide::decide(&run(vec![row]), &rules())[0].verdict;
        let expected = match verdict(forth) {
            RowVerdict::Regressed => RowVerdict::Improved,
            RowVerdict::Improved => RowVerdict::Regressed,
            other => other,
        };
        prop_assert_eq!(verdict(back), expected);
    }
}
