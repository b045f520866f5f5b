//! What was measured: of few records every row, of many what they have in common.

use super::escape::name;
use super::{html, words};
use crate::record::{Record, Status};
use crate::report::dossier::Dossier;
use crate::report::figure::Figure;
use crate::report::numbers::{UNKNOWN, count};
use crate::report::{Table, records};

/// Records that are shown one by one.
pub const ONE_BY_ONE: usize = 3;
/// Rows of a record that the page shows; its CSV has all.
const ROWS: usize = 400;

/// The section about the records and their pictures.
pub fn section(dossier: &Dossier, figures: &[Figure]) -> String {
    if dossier.records.is_empty() {
        return String::new();
    }
    let mut out = String::from(
        "<section id=measured aria-labelledby=measured-heading>\
         <h2 id=measured-heading>Measurements</h2>\n",
    );
    out += &html::table("The records", &overview(dossier));
    if dossier.records.len() <= ONE_BY_ONE {
        for (label, record) in dossier.records {
            out += &one(label, record, dossier.records.len() > 1);
        }
    }
    let pictures = html::figures(figures);
    if !figures.is_empty() {
        out += "<h3>Pictures of the measurements</h3>\n";
        let many = dossier.records.len() > ONE_BY_ONE;
        let told = count(figures.len(), "picture");
        out += &if many { html::folded(&told, &pictures) } else { pictures };
    }
    out + "</section>\n"
}

/// One line a record.
pub fn overview(dossier: &Dossier) -> Table {
    let mut table = Table::new(&[
        "record",
        "machine",
        "devices",
        "region",
        "measured",
        ">verified",
        ">wrong or failed",
        ">skipped",
        "ended",
    ]);
    for (label, record) in dossier.records {
        let of = |status| record.rows.iter().filter(|row| row.status == status).count();
        let devices: Vec<&str> =
            record.header.env.devices.iter().map(|d| d.info.name.as_str()).collect();
        table.row([
            label.clone(),
            records::machine(record),
            devices.join(", "),
            record.header.env.region.clone().unwrap_or_else(|| UNKNOWN.into()),
            words::day(&record.header.run.started_at).to_owned(),
            of(Status::Ok).to_string(),
            (of(Status::WrongOutput) + of(Status::Failed)).to_string(),
            of(Status::Skipped).to_string(),
            ended(record),
        ]);
    }
    table
}

/// Whether the run came to its end.
pub fn ended(record: &Record) -> String {
    match &record.footer {
        Some(footer) if footer.complete => "complete".into(),
        Some(footer) => {
            format!("incomplete: {}", footer.reason.as_deref().unwrap_or("no reason given"))
        }
        None => "incomplete: no footer (it crashed or was killed)".into(),
    }
}

fn one(label: &str, record: &Record, several: bool) -> String {
    let machine = records::machine(record);
    let mut out = if several {
        format!("<h3>{}</h3><p class=hush>{}</p>\n", name(&machine), name(label))
    } else {
        String::new()
    };
    if let Some(noise) = records::noise(record) {
        out += &html::warning(&noise);
    }
    let of = |what: &str| if several { format!("{what}, {machine}") } else { what.to_owned() };
    let mut devices = Table::new(&["device", "kind", "name", ">memory", "driver", "libraries"]);
    for device in &record.header.env.devices {
        devices.row(records::device_cells(&device.info));
    }
    out += &html::table(&of("Devices"), &devices);
    let against = records::cpu_against_gpu(record);
    let caption = "CPU against GPU, each by its fastest verified implementation";
    out += &html::table(&of(caption), &against);
    out += &html::table(&of("Fastest of each case and device"), &records::fastest_table(record));
    let mut left = ROWS;
    let mut all = String::new();
    for (family, mut table) in records::by_family(record) {
        let cut = table.rows.len().saturating_sub(left);
        table.rows.truncate(left);
        left -= table.rows.len();
        all += &html::table(&of(&family), &table);
        if cut > 0 {
            all += &format!("<p class=small>{} more in the CSV.</p>", count(cut, "row"));
        }
    }
    let verified = count(records::verified(record), "verified row");
    out + &html::folded(&of(&format!("All {verified}")), &all)
}
