//! What `place` writes, from a verdict on image classification put into effect on one size.

mod files;
mod manifests;
mod refusals;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use breakeven::catalog::{Catalog, PriceKind};
use breakeven::classify::{SharedBy, Sharing, SkuCost, Verdict};
use breakeven::cost::Estimate;
use breakeven::placement::{
    Asked, Choices, GpuStack, Manifest, MigStrategy, Needs, Placement, PoolMode, Provisioner,
    Refusal, ShareBy, place,
};
use breakeven::workload::{self, Workload};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn fixture(name: &str) -> String {
    let path = root().join("tests/fixtures").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn manifest(name: &str) -> Option<Manifest> {
    Some(Manifest { name: name.into(), text: fixture(&format!("placement/{name}")) })
}

/// A case: the verdict on image classification, put into effect on one size.
struct Case {
    verdict: Verdict,
    size: SkuCost,
    workload: Workload,
    needs: Needs,
    choices: Choices,
}

impl Case {
    /// On `sku`, of which the fixture need not say anything: then it is told as the fixture's own
    /// of that kind.
    fn on(sku: &str) -> Self {
        let verdicts: Vec<Verdict> =
            serde_json::from_str(&fixture("verdicts.json")).expect("verdicts");
        let verdict = verdicts.into_iter().next().expect("a verdict");
        let catalog = Catalog::embedded().expect("the catalog");
        let known = catalog.sku(None, sku).unwrap_or_else(|| panic!("{sku} in the catalog"));
        let mut size = match known.has_gpu() {
            true => verdict.best_gpu.clone().expect("a GPU size"),
            false => verdict.best_cpu.clone().expect("a CPU size"),
        };
        size.sku = known.name.clone();
        size.device = known.gpu_model.clone().unwrap_or(size.device);
        size.provider = known.provider.clone();
        size.fewest_nodes = size.nodes;
        let needs = Needs {
            pods_per_node: 1,
            gpus: u64::from(known.has_gpu()),
            cpu_milli: 1200,
            cpu_from: "measured".into(),
            memory_mib: Some(3000),
            node_cpu_milli: 3500,
            node_memory_mib: Some(24_000),
            gpu_memory_gib: 2.0,
        };
        let workload = workload::load("image-classification").expect("built in");
        Self { verdict, size, workload, needs, choices: Choices::default() }
    }

    fn with(mut self, change: impl FnOnce(&mut Choices)) -> Self {
        change(&mut self.choices);
        self
    }

    fn place(&self) -> Result<Placement, Refusal> {
        let catalog = Catalog::embedded().expect("the catalog");
        let sku = catalog.sku(Some(&self.size.provider), &self.size.sku).expect("in the catalog");
        place(&Asked {
            verdict: &self.verdict,
            size: &self.size,
            sku,
            catalog: &catalog,
            workload: &self.workload,
            needs: self.needs.clone(),
            records: vec!["2026-11-20-t4".into()],
            choices: &self.choices,
        })
    }

    fn placed(&self) -> Placement {
        self.place().unwrap_or_else(|refusal| panic!("refused: {refusal}"))
    }

    fn refused(&self) -> String {
        self.place().expect_err("a refusal").to_string()
    }
}

fn text_of<'p>(placement: &'p Placement, name: &str) -> &'p str {
    let file = placement.files.iter().find(|file| file.name == name);
    &file.unwrap_or_else(|| panic!("no {name}")).text
}

fn shown(placement: &Placement) -> String {
    let mut text = String::new();
    for file in &placement.files {
        text += &format!("==> {} ({})\n{}\n", file.name, file.apply, file.text);
    }
    for remark in &placement.remarks {
        text += &format!("- {remark}\n");
    }
    text
}
