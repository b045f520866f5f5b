//! The models of a page as JSON: arrays rather than objects, and what workloads have in common
//! written once. `model.js` reads it.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::classify::Side;
use crate::classify::live::{Job, Model, Size};
use crate::cost::Estimate;

/// The models as JSON that may stand in a `<script type="application/json">`: no `<` is in it.
pub fn data(models: &[Model]) -> String {
    let mut common = Common::default();
    let workloads: Vec<Value> = models.iter().map(|m| common.workload(m)).collect();
    let all = json!({ "words": common.words, "sizes": common.sizes, "workloads": workloads });
    all.to_string().replace('<', "\\u003c")
}

/// What is written once a page.
#[derive(Default)]
struct Common {
    words: Vec<String>,
    word_at: HashMap<String, usize>,
    sizes: Vec<Value>,
    size_at: HashMap<String, usize>,
}

impl Common {
    fn word(&mut self, word: &str) -> usize {
        if let Some(at) = self.word_at.get(word) {
            return *at;
        }
        self.words.push(word.to_owned());
        self.word_at.insert(word.to_owned(), self.words.len() - 1);
        self.words.len() - 1
    }

    fn workload(&mut self, model: &Model) -> Value {
        let options = &model.options;
        json!({
            "name": model.workload,
            "leftOut": model.left_out,
            "asked": {
                "jobs": model.jobs_per_day,
                "utilisation": options.settings.target_utilisation,
                "kind": options.price_kind.name(),
                "region": options.region,
                "margin": options.margin,
                "discount": options.discount,
            },
            "day": model.day.iter().map(|p| [p.hours, p.share]).collect::<Vec<_>>(),
            "minNodes": model.min_nodes,
            "gpuStartUpH": model.gpu_start_up_h,
            "cpuStartUpH": model.cpu_start_up_h,
            "coolDownH": model.cool_down_h,
            "evictionsPerH": options.settings.evictions_per_h,
            "objective": model.objective.map(|o| [o.latency_s, o.percentile]),
            "headroom": model.headroom,
            "limitS": model.limit_s,
            "sizes": model.sizes.iter().map(|s| self.size(s)).collect::<Vec<_>>(),
        })
    }

    fn size(&mut self, size: &Size) -> Value {
        let prices: Vec<Value> = size
            .prices
            .iter()
            .map(|p| json!([self.word(p.kind.name()), self.word(&p.region), p.price_usd_per_h]))
            .collect();
        let constant = json!([
            size.provider,
            size.name,
            i32::from(size.side == Side::Gpu),
            self.word(&size.device),
            size.vcpus,
            i32::from(size.fractional),
            prices,
        ]);
        let at = *self.size_at.entry(constant.to_string()).or_insert_with(|| {
            self.sizes.push(constant);
            self.sizes.len() - 1
        });
        let origin = serde_json::to_value(size.origin).unwrap_or(Value::Null);
        json!([
            at,
            self.word(&size.why),
            i32::from(size.infeasible),
            self.word(origin.as_str().unwrap_or("")),
            size.job.as_ref().map(job),
        ])
    }
}

fn job(job: &Job) -> Value {
    let io = job.io_s;
    let io = if io == Estimate::exact(io.median) { vec![io.median] } else { terms(&[io]) };
    let same = job.device_s == job.latency_s;
    let mut all = vec![
        json!(job.serial_s),
        json!(io),
        json!(job.host_s),
        json!(job.at_once),
        json!(i32::from(job.overlap)),
        json!(terms(&job.latency_s)),
        if same { json!(0) } else { json!(terms(&job.device_s)) },
        json!(terms(&job.link_in_s)),
        json!(terms(&job.link_out_s)),
        json!(terms(&job.deviation_s)),
    ];
    while all.last().is_some_and(|last| last.as_array().is_some_and(Vec::is_empty)) {
        all.pop();
    }
    Value::Array(all)
}

fn terms(estimates: &[Estimate]) -> Vec<f64> {
    estimates.iter().flat_map(|e| [e.median, e.lo90, e.hi90]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_end_the_script_that_holds_it() {
        let text = data(&[]);
        assert_eq!(text, r#"{"sizes":[],"words":[],"workloads":[]}"#);
        let mut common = Common::default();
        common.word("</script><b>");
        let hostile = json!(common.words).to_string().replace('<', "\\u003c");
        assert!(!hostile.contains('<'));
        assert_eq!(serde_json::from_str::<Value>(&hostile).expect("JSON")[0], "</script><b>");
    }

    #[test]
    fn terms_that_are_there_already_are_not_written_again() {
        let times = vec![Estimate { median: 2.0, lo90: 1.0, hi90: 4.0 }];
        let on_cpu = Job {
            serial_s: 0.5,
            io_s: Estimate::exact(0.0),
            host_s: 0.25,
            at_once: None,
            overlap: false,
            latency_s: times.clone(),
            device_s: times,
            link_in_s: Vec::new(),
            link_out_s: Vec::new(),
            deviation_s: Vec::new(),
        };
        let text = job(&on_cpu).to_string();
        assert_eq!(text, "[0.5,[0.0],0.25,null,0,[2.0,1.0,4.0],0]");
    }
}
