//! Packed workloads as a document: who shares with whom, on what, for how much.

use super::numbers::UNKNOWN;
use super::verdicts::name;
use super::{Document, Table, Tone};
use crate::classify::{Group, Kind, Packing, Side};
use crate::units::usd;

/// One line a workload, by group.
pub fn packing(packed: &Packing) -> Document {
    let mut document = Document::default();
    document.heading(1, "Workloads together");
    document.stressed(Tone::Strong, packed.headline.clone());
    let mut table =
        Table::new(&["workload", "verdict", "nodes", ">holds", ">USD/month", ">apart", ">saves"]);
    for group in &packed.groups {
        for member in &group.members {
            let saves = member.alone_usd_per_month.map(|alone| alone - member.usd_per_month);
            let known = |value: Option<f64>| value.map_or_else(|| UNKNOWN.into(), usd);
            table.row([
                member.workload.clone(),
                name(kind(group)),
                group.place(),
                holds(group, member.holds),
                usd(member.usd_per_month),
                known(member.alone_usd_per_month),
                known(saves),
            ]);
        }
    }
    document.table(table);
    document.list(packed.sentences.clone());
    document
}

fn kind(group: &Group) -> Kind {
    match (group.side, group.members.len()) {
        (Side::Cpu, _) => Kind::Cpu,
        (Side::Gpu, 1) => Kind::Gpu,
        (Side::Gpu, _) => Kind::SharedGpu,
    }
}

/// What a workload holds at most: instances of the pool, or nodes.
fn holds(group: &Group, holds: f64) -> String {
    match &group.profile {
        Some((_, per_node)) => format!("{holds:.0} of {}", u64::from(*per_node) * group.nodes),
        None if group.members.len() > 1 => format!("{holds:.2} nodes"),
        None => "all".into(),
    }
}
