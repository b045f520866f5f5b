//! Writes a workload file from answers, with a comment that says what each field means.

use std::fmt::Write;

use super::questions::Answers;

/// Operations of one call on one image of the layer that stands for a whole image network: 3 × 3,
/// 128 channels to 128 at 28 × 28, two operations a multiply–add, 2 · 28² · 128² · 9.
const LAYER_OPS: f64 = 2.0 * 28.0 * 28.0 * 128.0 * 128.0 * 9.0;
/// Forward, gradients of inputs and gradients of weights have as many multiply–adds each.
const TRAINING: f64 = 3.0;
/// Weights that one product of 2048 × 2048 passes.
const PROMPT_WEIGHTS: f64 = 2048.0 * 2048.0;
/// Weights that one product of 11008 × 4096 passes.
const ANSWER_WEIGHTS: f64 = 11008.0 * 4096.0;
/// Tokens read in one product, where the prompts have as many.
const PROMPT_ROWS: f64 = 512.0;
/// Frames in one call.
const FRAMES: f64 = 30.0;
/// Pairs and cells of one call at most: enough to fill a device, little enough to verify.
const PAIRS: f64 = 20_000.0;
const CELLS: f64 = 1e9;

/// The text of the workload `name` as answered: it parses, and each field has a comment.
pub fn write(name: &str, answers: &Answers) -> String {
    let mut page = Page(String::new());
    page.line("# Written by `breakeven init`. Change what is not so, then");
    page.line("#   breakeven classify FILE     judges it by what was measured so far");
    page.line("#   breakeven advise FILE       measures it on this machine first");
    page.line("");
    page.field("name", &quoted(name), "what reports call it");
    page.field("summary", &quoted(&summary(answers)), "one or two sentences for people");
    stages(&mut page, answers);
    more_stages(&mut page, answers);
    demand(&mut page, answers);
    occupied(&mut page, answers);
    today(&mut page, answers);
    page.0
}

struct Page(String);

impl Page {
    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    /// `key = value`, and the comment beside it where there is room, else above it.
    fn field(&mut self, key: &str, value: &str, comment: &str) {
        let field = format!("{key} = {value}");
        if field.chars().count() <= 34 {
            // A string takes everything, here and below.
            let _ = writeln!(self.0, "{field:<34} # {comment}");
        } else {
            let _ = writeln!(self.0, "# {comment}\n{field}");
        }
    }

    fn number(&mut self, key: &str, value: Option<f64>, comment: &str) {
        if let Some(value) = value {
            self.field(key, &number(value), comment);
        }
    }

    fn stage(&mut self, family: &str, comment: &str) {
        self.line("");
        for line in comment.lines() {
            self.line(&format!("# {line}"));
        }
        self.line("[[stage]]");
        self.field("family", &quoted(family), "what is computed; `breakeven list families`");
    }

    fn calls(&mut self, calls: f64, transfer: &str) {
        self.number("calls", Some(calls), "so many times a job");
        let comment = match transfer {
            "per-call" => "everything crosses to the GPU and back at each call",
            _ => "data live on the GPU; else \"constants-resident\" or \"per-call\"",
        };
        self.field("transfer", &quoted(transfer), comment);
    }
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A TOML number: whole ones with their thousands apart.
fn number(value: f64) -> String {
    let text = value.to_string();
    if value.fract() != 0.0 || value.abs() >= 1e15 {
        return if text.contains('.') { text } else { format!("{text}.0") };
    }
    let mut grouped = String::new();
    for (index, digit) in text.chars().enumerate() {
        if index > 0 && (text.len() - index).is_multiple_of(3) {
            grouped.push('_');
        }
        grouped.push(digit);
    }
    grouped
}

fn summary(answers: &Answers) -> String {
    let count = |key| answers.number(key).map(number).unwrap_or_default().replace('_', ",");
    match answers.word("kind") {
        "command" => format!(
            "A program of our own, run {} time(s) a job; a run does {} × {}.",
            count("calls"),
            count("units"),
            answers.word("unit")
        ),
        "images" => format!(
            "{} of a network of {} billion operations an image: {} images a job in batches of {}.",
            if answers.word("use") == "training" { "Training" } else { "Inference" },
            count("gflop"),
            count("images"),
            count("batch")
        ),
        "llm" => format!(
            "A language model of {} billion weights in bf16: {} requests at once, {} tokens read \
             and {} written for each.",
            count("weights"),
            count("users"),
            count("prompt"),
            count("tokens")
        ),
        "matrix" => format!(
            "{} matrix products of {} × {} × {} in {} a job.",
            count("calls"),
            count("m"),
            count("n"),
            count("k"),
            answers.word("dtype")
        ),
        "video" => format!(
            "Scales {} frames a job from {} × {} to {} × {}.",
            count("frames"),
            answers.word("width"),
            answers.word("height"),
            answers.word("out_width"),
            answers.word("out_height")
        ),
        "reads" => format!(
            "Aligns {} pairs a job, {} × {} bases.",
            count("pairs"),
            count("query"),
            count("target")
        ),
        _ => format!("Moves and parses {} GB a job.", count("io_gb")),
    }
}

/// The stages of arithmetic.
fn stages(page: &mut Page, answers: &Answers) {
    let one = |key| answers.number(key).unwrap_or(1.0);
    match answers.word("kind") {
        "command" => command(page, answers),
        "images" => images(page, answers),
        "llm" => llm(page, answers),
        "matrix" => {
            page.stage("matmul", "What a job does, in order. Times of stages add up.");
            page.field("dtype", &quoted(answers.word("dtype")), "f32, tf32 or bf16");
            page.number("m", Some(one("m")), "rows of the product");
            page.number("n", Some(one("n")), "columns");
            page.number("k", Some(one("k")), "length of the sums");
            page.calls(one("calls"), "per-call");
        }
        "video" => video(page, answers),
        "reads" => reads(page, answers),
        _ => {}
    }
}

fn command(page: &mut Page, answers: &Answers) {
    page.stage(
        "command",
        "A program of your own, timed as it is. Measure it on each VM size that may do the work, with\n\
         `breakeven advise FILE`, and copy the records together: nobody can predict its time.",
    );
    page.field("cpu", &quoted(answers.word("cpu")), "no shell is involved, unless shell = true");
    match answers.word("gpu") {
        "none" => {
            page.line("# gpu = \"…\"                        # the GPU command for the same work")
        }
        gpu => page.field("gpu", &quoted(gpu), "does the same work"),
    }
    page.field("unit", &quoted(answers.word("unit")), "what is counted");
    page.number("units", answers.number("units"), "how many of it a run does");
    match answers.word("check") {
        "same" => page.field("check", "{ same_output = true }", "what the CPU writes is right"),
        _ => page
            .line("# check = { command = \"…\" }        # ends with status 0 for a right output"),
    }
    page.number("calls", answers.number("calls"), "so many runs a job");
}

fn images(page: &mut Page, answers: &Answers) {
    let one = |key| answers.number(key).unwrap_or(1.0);
    let training = answers.word("use") == "training";
    let layers = one("gflop") * 1e9 / LAYER_OPS * if training { TRAINING } else { 1.0 };
    let batch = one("batch").min(one("images"));
    page.stage(
        "convolution",
        match training {
            false => {
                "One usual layer, 0.23 billion operations an image, stands for the network: as many \
                 calls as\nmake its operations. Better: a [[stage]] for each kind of layer that it has."
            }
            true => {
                "One usual layer, 0.23 billion operations an image, stands for the network: as many \
                 calls as\nmake its operations three times, forward and for two gradients. Better: a \
                 [[stage]] for each\nkind of layer that it has."
            }
        },
    );
    page.number("batch", Some(batch), "images in one call");
    for (key, value, comment) in [
        ("c_in", 128.0, "channels in"),
        ("height", 28.0, "of the picture in this layer"),
        ("width", 28.0, "of it"),
        ("c_out", 128.0, "channels out"),
        ("kernel", 3.0, "3 × 3"),
        ("stride", 1.0, "every position"),
        ("padding", 1.0, "pixels on each side"),
    ] {
        page.number(key, Some(value), comment);
    }
    page.calls((layers * (one("images") / batch).ceil()).ceil(), "resident");
}

fn llm(page: &mut Page, answers: &Answers) {
    let one = |key| answers.number(key).unwrap_or(1.0);
    let (weights, users) = (one("weights") * 1e9, one("users"));
    let product = |page: &mut Page, m: f64, n: f64, k: f64, calls: f64| {
        page.field("dtype", "\"bf16\"", "weights and activations");
        page.number("m", Some(m), "tokens in one product");
        page.number("n", Some(n), "outputs of the layers");
        page.number("k", Some(k), "inputs: n × k weights are passed");
        page.calls(calls.ceil(), "resident");
    };
    let read = users * one("prompt");
    let rows = read.min(PROMPT_ROWS);
    page.stage(
        "matmul",
        "Reading the prompts: all weights, 2048 × 2048 of them in a product, for so many tokens\n\
         at a time. Attention scores, norms and the server are left out.",
    );
    product(page, rows, 2048.0, 2048.0, weights / PROMPT_WEIGHTS * read / rows);
    page.stage(
        "matmul",
        "Writing the answers: every token reads all weights once, 11008 × 4096 of them in a\n\
         product, for all requests together. Attention over the cache is left out.",
    );
    product(page, users, 11008.0, 4096.0, weights / ANSWER_WEIGHTS * one("tokens"));
}

fn video(page: &mut Page, answers: &Answers) {
    let one = |key| answers.number(key).unwrap_or(1.0);
    let frames = one("frames").min(FRAMES);
    page.stage(
        "transcode",
        "Measured as Motion-JPEG on both ends: for other codecs this is a stand-in, and its times\n\
         are not theirs. `init --from live-streaming` or on-demand-video measures H.264 or HEVC.",
    );
    page.field("codec", "\"mjpeg\"", "Motion-JPEG, in and out");
    page.number("out_width", Some(one("out_width")), "pixels across");
    page.number("out_height", Some(one("out_height")), "pixels down");
    let input =
        format!("{{ frames = {frames}, width = {}, height = {} }}", one("width"), one("height"));
    page.field("input", &input, "synthetic; or { video = \"clip.avi\" }");
    page.calls((one("frames") / frames).ceil(), "per-call");
}

fn reads(page: &mut Page, answers: &Answers) {
    let one = |key| answers.number(key).unwrap_or(1.0);
    let (query, target) = (one("query"), one("target"));
    let pairs = (CELLS / (query * target)).floor().clamp(1.0, PAIRS).min(one("pairs"));
    page.stage(
        "alignment",
        "The whole matrix of each pair is computed; seeding and the rest of a mapper are left out.",
    );
    page.field("mode", &quoted(answers.word("mode")), "local, global or semi-global");
    page.field(
        "scoring",
        "{ match = 1, mismatch = -4, gap_open = 7, gap_extend = 1 }",
        "a gap of length k costs gap_open + (k − 1) · gap_extend",
    );
    let input = format!("{{ pairs = {pairs}, query = {query}, target = {target} }}");
    let files = "random; or { queries = \"reads.fastq.gz\", targets = \"windows.fasta\" }";
    page.field("input", &input, files);
    page.calls((one("pairs") / pairs).ceil(), "per-call");
}

/// What no GPU helps.
fn more_stages(page: &mut Page, answers: &Answers) {
    if let Some(gb) = answers.number("io_gb").filter(|gb| *gb > 0.0) {
        page.line("\n# Bytes a job reads and writes over network or disk.\n[[stage]]");
        page.number("io_bytes", Some(gb * 1e9), "bytes; io_bytes_per_s sets a rate");
    }
    if let Some(seconds) = answers.number("serial_cpu_s").filter(|s| *s > 0.0) {
        page.line("\n# Work on one thread, which takes as long on every CPU.\n[[stage]]");
        page.number("serial_cpu_s", Some(seconds), "seconds");
    }
}

fn demand(page: &mut Page, answers: &Answers) {
    page.line("\n# How many jobs, when, and within which limits.\n[demand]");
    page.number("jobs_per_day", answers.number("jobs_per_day"), "jobs of one day");
    let pattern = quoted(answers.word("pattern"));
    page.field("pattern", &pattern, "steady, batch, bursty; or hourly = [24 rates]");
    page.number("window_h", answers.number("window_h"), "hours a day in which the batch may run");
    let factor = answers.number("peak_factor");
    page.number("peak_factor", factor, "rate of the busy hours ÷ rate of the others");
    page.number("peak_h_per_day", answers.number("peak_h_per_day"), "busy hours a day");
    let latency = answers.number("latency_slo_s");
    page.number("latency_slo_s", latency, "seconds to the answer, waiting included");
    page.number("percentile", answers.number("percentile"), "share of the requests in time");
    page.number(
        "deadline_s",
        answers.number("deadline_s"),
        "seconds from a job's start to its end",
    );
    if answers.word("limit") == "none" {
        page.line("# deadline_s = 3600                # seconds from a job's start to its end");
        if answers.word("pattern") != "batch" {
            page.line(
                "# latency_slo_s = 1                # or: seconds to an answer, at percentile",
            );
        }
    }
}

/// What a job and its node hold.
fn occupied(page: &mut Page, answers: &Answers) {
    page.line(
        "\n# What one job holds while it runs. Memory often limits how many run at once.\n[job]",
    );
    let given = |key| answers.number(key).filter(|gib| *gib > 0.0);
    match given("memory_gib") {
        Some(gib) => page.number("memory_gib", Some(gib), "GiB of memory"),
        None => page.line("# memory_gib = 2                   # GiB; left out: what its data take"),
    }
    match given("gpu_memory_gib") {
        Some(gib) => page.number("gpu_memory_gib", Some(gib), "GiB of GPU memory"),
        None => page.line("# gpu_memory_gib = 2               # GiB; left out: what its data take"),
    }
    if let Some(billions) = answers.number("weights") {
        // Two bytes a weight, to a hundredth of a GiB.
        let gib = (billions * 2e9 / f64::from(1u32 << 30) * 100.0).ceil() / 100.0;
        page.number("constant_gib", Some(gib), "GiB once a node: weights of 2 bytes each");
    }
    page.line("\n[node]");
    page.field("os", "\"linux\"", "linux or windows");
    if answers.word("encoder") == "nvenc" {
        page.field("needs", "[\"nvenc\"]", "engines a GPU must have; A100 and H100 have no nvenc");
    } else {
        page.line("# needs = [\"nvenc\"]                # engines a GPU must have: nvenc, nvdec, graphics");
    }
    page.line("# min_nodes = 1                    # nodes kept without a job");
    page.line("# cotenants = [\"other.toml\"]      # workloads that may share the node");
}

fn today(page: &mut Page, answers: &Answers) {
    page.line("");
    match answers.number("today_nodes") {
        Some(nodes) => {
            page.line("# What is paid today.\n[today]");
            page.field("sku", &quoted(answers.word("today_sku")), "VM size; `breakeven list skus`");
            page.number("nodes", Some(nodes), "nodes of it, all day");
        }
        None => {
            page.line("# What is paid today, to be compared with.\n# [today]");
            page.line("# sku = \"Standard_D8s_v5\"          # VM size; `breakeven list skus`");
            page.line("# nodes = 3                        # nodes of it, all day");
        }
    }
}
