//! The report as one HTML file: the answer first, then why, what would change it, pictures, sizes,
//! measurements, and where all of it comes from.
//!
//! It asks a network for nothing, reads without JavaScript, and holds no clock: the same input gives
//! the same bytes. Text from records gets in through [`escape`] alone.

mod answer;
mod csp;
mod escape;
mod html;
mod many;
pub(super) mod measured;
pub(super) mod provenance;
pub(super) mod words;
mod workload;

use std::io::{self, Write};

use super::dossier::{Dossier, Figures};
use super::{Block, Content, Document, Look, Tone, document, live};

const STYLE: &str = include_str!("style.css");
const TABLES: &str = include_str!("table.js");

/// Writes the page of a dossier; of other contents, their headings, paragraphs and tables as a page.
pub fn write(content: &Content, _look: Look, out: &mut dyn Write) -> io::Result<()> {
    let page = match content {
        Content::Dossier(dossier) => page(dossier, &Figures::of(dossier)),
        other => plain(&document(other, usize::MAX)),
    };
    out.write_all(page.as_bytes())
}

/// The page of `dossier` with its pictures.
pub fn page(dossier: &Dossier, figures: &Figures) -> String {
    let of = dossier.judged.len();
    let mut main = answer::verdicts(dossier);
    for (index, judged) in dossier.judged.iter().enumerate() {
        let drawn = figures.judged.get(index).map_or(&[][..], Vec::as_slice);
        main += &workload::section(index + 1, of, judged, drawn, "");
    }
    main += &live::section(dossier.models, &[]);
    let measured = measured::section(dossier, &figures.records);
    // Of many records, what they have in common comes first.
    if dossier.records.len() > measured::ONE_BY_ONE {
        main += &many::section(dossier);
        main += &measured;
    } else {
        main += &measured;
        main += &many::section(dossier);
    }
    main += &provenance::section(dossier);
    let body = format!(
        "{}<div class=body>{}<main id=main tabindex=-1>\n{main}</main></div>",
        answer::header(dossier),
        contents(dossier),
    );
    frame(&words::title(dossier), &body, !dossier.models.is_empty())
}

/// Links to the sections.
fn contents(dossier: &Dossier) -> String {
    let mut links: Vec<(String, String)> = Vec::new();
    if !dossier.judged.is_empty() {
        links.push(("verdicts".into(), "Verdicts".into()));
    }
    for (index, judged) in dossier.judged.iter().enumerate() {
        let (glyph, _) = words::kind(judged.verdict.verdict);
        links.push((
            format!("workload-{}", index + 1),
            format!(
                "<span aria-hidden=true>{glyph} </span>{}",
                escape::text(&judged.verdict.workload, 48)
            ),
        ));
    }
    if !dossier.models.is_empty() {
        links.push(("live".into(), "What if?".into()));
    }
    let together = dossier.comparison.map(|_| ("together".into(), "Records side by side".into()));
    let measured = ("measured".into(), "Measurements".into());
    let measured = (!dossier.records.is_empty()).then_some(measured);
    if dossier.records.len() > measured::ONE_BY_ONE {
        links.extend(together.into_iter().chain(measured));
    } else {
        links.extend(measured.into_iter().chain(together));
    }
    links.push(("provenance".into(), "Provenance".into()));
    let links: String =
        links.iter().map(|(id, text)| format!("<li><a href=\"#{id}\">{text}</a>")).collect();
    format!("<nav class=contents aria-label=Contents><ul>{links}</ul></nav>\n")
}

/// A whole file around a body; `recomputes` says whether the live part is in it.
fn frame(title: &str, body: &str, recomputes: bool) -> String {
    let (scripts, more_style) =
        if recomputes { (vec![TABLES, live::SCRIPT], live::STYLE) } else { (vec![TABLES], "") };
    let policy = csp::policy(&scripts);
    let scripts: String = scripts.iter().map(|s| format!("<script>{s}</script>")).collect();
    format!(
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>\
         <meta http-equiv=Content-Security-Policy content=\"{policy}\">\
         <meta name=viewport content=\"width=device-width, initial-scale=1\">\
         <meta name=generator content=breakeven><title>{}</title>\n<style>{more_style}{STYLE}</style></head>\n\
         <body><a class=skip href=\"#main\">Skip to the content</a><div class=page>\n{body}\
         <footer><p>Made by breakeven from the data named above; the CSV, JSON, Markdown and SVG files \
         beside this page hold the same numbers.</p></footer></div>\
         {scripts}</body></html>\n",
        escape::name(title),
    )
}

/// A document as a page.
fn plain(document: &Document) -> String {
    let mut title = None;
    let mut main = String::new();
    for block in &document.blocks {
        main += &match block {
            Block::Heading(_, text) if title.is_none() => {
                title = Some(text.clone());
                String::new()
            }
            Block::Heading(_, text) => format!("<h2>{}</h2>\n", escape::name(text)),
            Block::Text(Tone::Plain, text) => format!("<p>{}</p>\n", escape::prose(text)),
            Block::Text(Tone::Strong, text) => {
                format!("<p class=lede>{}</p>\n", escape::prose(text))
            }
            Block::Text(Tone::Warning, text) => html::warning(text),
            Block::List(items) => html::list(items),
            Block::Table(table) => html::table(title.as_deref().unwrap_or("Table"), table),
        };
    }
    let title = title.unwrap_or_else(|| "breakeven".into());
    let body = format!(
        "<header class=top><h1>{}</h1></header><main id=main tabindex=-1>{main}</main>",
        escape::name(&title)
    );
    frame(&title, &body, false)
}
