//! How well sizes predict each other, as a listing.

use serde_json::{Value, json};

use super::numbers::{count, percent};
use super::{Document, Listing, Table, Tone};
use crate::cost::leave_one_out::{LeaveOneOut, MEANS_LITTLE, Prediction};

/// Table of the predictions, their mean error, how often the interval held and how often the
/// cheaper kind of size was told.
pub fn leave_one_out(errors: &LeaveOneOut) -> Listing {
    let mut document = Document::default();
    document.heading(1, "Each VM size predicted from the others");
    let mut table = Table::new(&[
        "workload",
        "sku",
        "device",
        "unit",
        ">predicted_per_s",
        ">lo90_per_s",
        ">hi90_per_s",
        ">actual_per_s",
        ">error",
        "interval_held",
        "predicted_from",
    ]);
    for p in &errors.predictions {
        table.row(cells(p));
    }
    document.table(table);
    document.list(summary(errors));
    if (1..MEANS_LITTLE).contains(&errors.predictions.len()) {
        document.stressed(
            Tone::Warning,
            format!(
                "Too few to mean much: with {}, the next one may be off by far more.",
                count(errors.predictions.len(), "prediction")
            ),
        );
    }
    if !errors.impossible.is_empty() {
        document.text("Not predicted:");
        document.list(errors.impossible.clone());
    }
    Listing { document, data: data(errors) }
}

fn cells(p: &Prediction) -> [String; 11] {
    [
        p.workload.clone(),
        p.sku.clone(),
        p.device.name().into(),
        p.unit.clone(),
        digits(p.predicted.median),
        digits(p.predicted.lo90),
        digits(p.predicted.hi90),
        digits(p.actual_per_s),
        format!("{:+.3}", p.error()),
        if p.held() { "yes" } else { "no" }.into(),
        p.from.clone(),
    ]
}

/// Four significant digits, plain for programs too.
fn digits(value: f64) -> String {
    let decimals = (3.0 - value.abs().log10().floor()).clamp(0.0, 12.0) as usize;
    format!("{value:.decimals$}")
}

fn summary(errors: &LeaveOneOut) -> Vec<String> {
    let number = errors.predictions.len();
    let Some(mean) = errors.mean_absolute_error() else { return Vec::new() };
    let mut lines = vec![
        format!("mean absolute error: {} over {}", percent(mean), count(number, "prediction")),
        format!("the 90 % interval held in {} of {number}", errors.held()),
    ];
    let choices = errors.choices;
    lines.push(if choices.pairs == 0 {
        "no choice between the kinds: no workload has a predicted GPU size and a predicted CPU \
         size, both with a price"
            .into()
    } else {
        format!(
            "the cheaper of a GPU and a CPU size at full load was told rightly in {} of {}; always \
             taking the GPU is right in {}, always the CPU in {}",
            choices.right,
            count(choices.pairs, "pair"),
            choices.gpu_cheaper,
            choices.pairs - choices.gpu_cheaper
        )
    });
    lines
}

fn data(errors: &LeaveOneOut) -> Value {
    let one = |p: &Prediction| {
        json!({
            "workload": p.workload,
            "sku": p.sku,
            "device": p.device.name(),
            "unit": p.unit,
            "predicted_per_s": p.predicted,
            "actual_per_s": p.actual_per_s,
            "error": p.error(),
            "interval_held": p.held(),
            "predicted_from": p.from,
            "origin": "predicted",
        })
    };
    json!({
        "schema": { "name": "breakeven-leave-one-sku-out", "major": 1, "minor": 0 },
        "predictions": errors.predictions.iter().map(one).collect::<Vec<_>>(),
        "mean_absolute_error": errors.mean_absolute_error(),
        "intervals_held": errors.held(),
        "choices": {
            "pairs": errors.choices.pairs,
            "right": errors.choices.right,
            "gpu_cheaper": errors.choices.gpu_cheaper,
        },
        "not_predicted": errors.impossible,
    })
}
