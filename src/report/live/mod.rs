//! The part of the HTML report that judges again in the page what a reader changes: controls in
//! plain HTML, the same formulas in plain JavaScript, and the numbers that they start from.
//!
//! The JavaScript files say which Rust file each mirrors; tests/browser compares the two.

use crate::classify::live::Model;

mod data;

pub use data::data;

/// The script of the page, to stand in one `<script>` after [`section`]; it needs no other file and
/// no network. `breakeven.state` keeps what a reader chose in the address and serves other parts of
/// the page too: `get(key)`, `set({key: value or null})`, `onChange(listener)`.
pub const SCRIPT: &str = concat!(
    "globalThis.breakeven = (() => {\n\"use strict\";\n",
    include_str!("state.js"),
    include_str!("model.js"),
    include_str!("cost.js"),
    include_str!("judge.js"),
    include_str!("bands.js"),
    include_str!("words.js"),
    include_str!("view.js"),
    include_str!("controls.js"),
    "start();\nreturn { state, readModels, evaluate };\n})();\n",
);

/// Its style, by the page's variables where it has them.
pub const STYLE: &str = include_str!("live.css");

/// The section: `models` with their data, and a sentence for each of `left_out`, workloads that
/// cannot be recomputed here. Empty where there is no model. Without JavaScript it says what it
/// would do.
pub fn section(models: &[Model], left_out: &[String]) -> String {
    if models.is_empty() {
        return String::new();
    }
    let told: String = left_out
        .iter()
        .map(|name| {
            format!(
                "<p class=\"live-note\">{} rests on imported measurements and is not recomputed \
                 here.</p>\n",
                escaped(name)
            )
        })
        .collect();
    // The data first: what is in them cannot be taken for the other place.
    include_str!("section.html").replace("{}", &data(models)).replace("<!--left-out-->", &told)
}

/// Text as HTML shows it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
