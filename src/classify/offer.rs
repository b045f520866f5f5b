//! What the provider says of a VM size as an offer: on sale or withdrawn, which processors, Windows.

use super::Reason;
use super::candidate::{Standing, reason};
use crate::catalog::{Os, Sku, Status, WindowsNodes};

/// A reason, and how the size stands by it (`None`: a remark that changes nothing).
pub(super) type Said = (Option<Standing>, Reason);

/// Codes of the reasons below that are remarks.
pub(super) const REMARKS: [&str; 4] =
    ["cpu-varies", "sku-preview", "sku-retiring", "windows-gpu-preview"];

/// What is to be said of `sku` for nodes with `os`.
pub(super) fn said(sku: &Sku, os: Os) -> Vec<Said> {
    let mut said = Vec::new();
    said.extend(status(sku));
    if let Some(cpu) = sku.cpu_model.as_ref().filter(|_| !sku.other_cpu_models.is_empty()) {
        let seen = sku.cpu_seen_on.as_ref().map(|on| format!(", seen on {on}")).unwrap_or_default();
        let others = sku.other_cpu_models.join(", ");
        let text = format!("taken as {cpu}{seen}; the name is also served by {others}");
        said.push((None, reason("cpu-varies", text)));
    }
    if os == Os::Windows {
        said.extend(windows(sku));
    }
    said
}

fn status(sku: &Sku) -> Option<Said> {
    let on = sku.retires_on.as_ref().map(|date| format!(" on {date}"));
    match (sku.status, on) {
        (Status::Retired, on) => {
            let on = on.unwrap_or_default();
            let text = format!("the provider retired this size{on}; a price may still be listed");
            Some((Some(Standing::Infeasible), reason("sku-retired", text)))
        }
        (Status::Preview, _) => {
            let text = "offered as a preview, without the provider's usual promises";
            Some((None, reason("sku-preview", text)))
        }
        (Status::Active, Some(on)) => {
            Some((None, reason("sku-retiring", format!("the provider will retire this size{on}"))))
        }
        (Status::Active, None) => None,
    }
}

fn windows(sku: &Sku) -> Option<Said> {
    match sku.windows? {
        WindowsNodes::No => {
            let text = "AKS (Azure Kubernetes Service) has no Windows nodes on Arm processors";
            Some((Some(Standing::Infeasible), reason("no-windows-nodes", text)))
        }
        WindowsNodes::Preview => {
            let text = "Windows nodes with a GPU are a preview feature of AKS";
            Some((None, reason("windows-gpu-preview", text)))
        }
        WindowsNodes::Yes => None,
    }
}
