//! How well devices predict each other, as a listing.

use serde_json::{Value, json};

use super::csv::word;
use super::numbers::{count, percent};
use super::{Document, Listing, Table, Tone};
use crate::cost::held_out::{Choices, Errors, MEANS_LITTLE, Prediction};
use crate::units::seconds;

/// Tables of errors by kind, family and origin, and of every case; what published models reach.
pub fn held_out(predictions: &[Prediction]) -> Listing {
    let mut document = Document::default();
    document.heading(1, "Each device predicted from the others");
    let mut table = Table::new(&[
        "device",
        "family",
        "predicted by",
        ">cases",
        ">mean error",
        ">typical factor",
        ">90 % interval held",
    ]);
    let groups = groups(predictions);
    for (kind, family, origin, errors) in &groups {
        table.row([
            (*kind).into(),
            family.clone(),
            origin.clone(),
            errors.number.to_string(),
            percent(errors.mean_absolute),
            format!("{:.2}", errors.typical_factor),
            format!("{} of {}", errors.held, errors.number),
        ]);
    }
    document.table(table);
    let choices = Choices::of(predictions);
    document.list(summary(predictions, choices));
    document.stressed(Tone::Warning, warning(predictions));
    document.heading(2, "Case by case");
    document.table(cases(predictions));
    Listing { document, data: data(predictions, &groups, choices) }
}

/// Kind, family and origin with their errors, in the order in which they occur.
fn groups(predictions: &[Prediction]) -> Vec<(&'static str, String, String, Errors)> {
    let mut keys: Vec<(&'static str, String, String)> = Vec::new();
    for p in predictions {
        let key = key(p);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys.sort();
    keys.into_iter()
        .filter_map(|wanted| {
            let errors = Errors::of(predictions.iter().filter(|p| key(p) == wanted))?;
            Some((wanted.0, wanted.1, wanted.2, errors))
        })
        .collect()
}

fn key(p: &Prediction) -> (&'static str, String, String) {
    (kind(p.gpu), p.family.clone(), word(&p.origin))
}

fn kind(gpu: bool) -> &'static str {
    if gpu { "GPU" } else { "CPU" }
}

fn summary(predictions: &[Prediction], choices: Choices) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(all) = Errors::of(predictions.iter()) {
        lines.push(format!(
            "all: mean error {} over {}, the 90 % interval held in {}",
            percent(all.mean_absolute),
            count(all.number, "case"),
            all.held
        ));
    }
    lines.push(if choices.pairs == 0 {
        "no choice between the kinds: no case was measured on a CPU and on a GPU".into()
    } else {
        format!(
            "the faster of a CPU and a GPU (kernel only) was told in {} of {}; always choosing the \
             GPU is right in {}",
            choices.right,
            count(choices.pairs, "pair"),
            choices.gpu_faster
        )
    });
    lines.push(
        "published: 17 to 27 % time error from CPU to GPU (GROPHECY, XAPP), 12 % from GPU to GPU \
         (Habitat), 73 to 82 % right choices (Grewe, DeepTune)"
            .into(),
    );
    lines
}

/// How many devices of each kind there are, and whether that means anything.
fn warning(predictions: &[Prediction]) -> String {
    let devices = |gpu: bool| {
        let mut names: Vec<&str> =
            predictions.iter().filter(|p| p.gpu == gpu).map(|p| p.device.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names.len()
    };
    let (cpus, gpus) = (devices(false), devices(true));
    let told = format!("{} and {}", count(cpus, "CPU"), count(gpus, "GPU"));
    if cpus < MEANS_LITTLE || gpus < MEANS_LITTLE {
        format!(
            "{told}: too few devices for it to mean anything; at least {MEANS_LITTLE} of each kind \
             are wanted."
        )
    } else {
        format!("{told} were left out in turn.")
    }
}

fn cases(predictions: &[Prediction]) -> Table {
    let mut table = Table::new(&[
        "device",
        "case",
        "predicted by",
        ">predicted",
        ">90 % interval",
        ">measured",
        ">error",
        "held",
        "how",
    ]);
    for p in predictions {
        table.row([
            p.device.clone(),
            p.case_key.clone(),
            word(&p.origin),
            seconds(p.predicted_s.median),
            format!("{} to {}", seconds(p.predicted_s.lo90), seconds(p.predicted_s.hi90)),
            seconds(p.measured_s),
            format!("{:+.0} %", 100.0 * p.error()),
            if p.held() { "yes" } else { "no" }.into(),
            p.how.clone(),
        ]);
    }
    table
}

fn data(
    predictions: &[Prediction],
    groups: &[(&'static str, String, String, Errors)],
    choices: Choices,
) -> Value {
    let groups = groups.iter().map(|(kind, family, origin, errors)| {
        json!({
            "device": kind,
            "family": family,
            "origin": origin,
            "cases": errors.number,
            "mean_absolute_error": errors.mean_absolute,
            "typical_factor": errors.typical_factor,
            "held": errors.held,
        })
    });
    let cases = predictions.iter().map(|p| {
        json!({
            "device": p.device,
            "kind": kind(p.gpu),
            "family": p.family,
            "case_key": p.case_key,
            "origin": p.origin,
            "how": p.how,
            "predicted_s": p.predicted_s,
            "measured_s": p.measured_s,
            "error": p.error(),
            "held": p.held(),
        })
    });
    json!({
        "schema": { "name": "breakeven-leave-one-device-out", "major": 1, "minor": 0 },
        "groups": groups.collect::<Vec<_>>(),
        "choices": {
            "pairs": choices.pairs,
            "right": choices.right,
            "gpu_faster": choices.gpu_faster,
        },
        "cases": cases.collect::<Vec<_>>(),
    })
}
