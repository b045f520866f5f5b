//! `devices`: what this machine has, what is missing, and what to do about it.

use serde_json::json;

use super::args::OutputArgs;
use super::exit::{DONE, Outcome};
use super::machines::{self, Machines};
use super::output;
use crate::backend::{Note, Probe};
use crate::report::{Content, Document, Listing, Table, device_cells};

/// Probes every backend and prints what it found.
pub fn run(output: &OutputArgs) -> Outcome {
    let machines = Machines::new(output.mock.as_deref())?;
    let listing = listing(&machines.probe());
    output::emit(&Content::Listing(&listing), output, "devices")?;
    Ok(DONE)
}

fn listing(probe: &Probe) -> Listing {
    let mut document = Document::default();
    document.heading(1, "Devices");
    let mut table = Table::new(&["device", "kind", "name", ">memory", "driver", "libraries"]);
    for device in &probe.devices {
        table.row(device_cells(device));
    }
    document.table(table);
    document.text(format!("In short: {}.", machines::gpu_line(probe)));
    if !probe.notes.is_empty() {
        document.heading(2, "Missing or limited");
        document.list(probe.notes.iter().map(note_line).collect());
    }
    let notes: Vec<_> = probe
        .notes
        .iter()
        .map(|n| json!({ "subject": n.subject, "message": n.message, "next_step": n.next_step }))
        .collect();
    Listing { document, data: json!({ "devices": probe.devices, "notes": notes }) }
}

fn note_line(note: &Note) -> String {
    let next = note.next_step.as_ref().map(|step| format!("; {step}")).unwrap_or_default();
    format!("{}: {}{next}", note.subject, note.message)
}
