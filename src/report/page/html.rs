//! Pieces that sections are made of: tables, lists, figures, folds.

use std::fmt::Write as _;

use super::escape::{self, name, prose};
use crate::report::figure::Figure;
use crate::report::numbers::count;
use crate::report::{Align, Table, csv};

/// Rows of a figure's table that the page shows; its CSV has all.
const FIGURE_ROWS: usize = 60;
/// Characters of a cell from which its column gets room.
const LONG_CELL: usize = 48;
/// Characters of cells whose column is never broken.
const TIGHT_CELL: usize = 24;
/// Rows from which a table scrolls in its box.
const TALL: usize = 24;

/// A table under its caption, in a box of its own; empty without rows.
pub fn table(caption: &str, table: &Table) -> String {
    let titles: Vec<(&str, Align)> = table.columns.iter().map(|c| (c.title, c.align)).collect();
    rows(caption, &titles, &table.rows)
}

/// The same with titles made at run time.
pub fn rows(caption: &str, titles: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let long = |i: usize| rows.iter().any(|r| r[i].chars().count() > LONG_CELL);
    let classes: Vec<&str> = titles
        .iter()
        .enumerate()
        .map(|(i, (_, align))| match align {
            Align::Right => " class=n",
            Align::Left if rows.iter().all(|r| r[i].chars().count() <= TIGHT_CELL) => {
                " class=tight"
            }
            Align::Left if long(i) => " class=wide",
            Align::Left => "",
        })
        .collect();
    let tall = if rows.len() > TALL { " tall" } else { "" };
    let caption = name(caption);
    let mut out = format!(
        "<div class=\"scroll{tall}\" role=group tabindex=0 aria-label=\"{caption}\"><table>\
         <caption>{caption}</caption><thead><tr>"
    );
    for ((title, _), class) in titles.iter().zip(&classes) {
        let _ = write!(out, "<th scope=col{class}>{}", name(title));
    }
    out.push_str("<tbody>");
    for row in rows {
        out.push_str("<tr>");
        for (index, (cell, class)) in row.iter().zip(&classes).enumerate() {
            let open = if index == 0 { "th scope=row" } else { "td" };
            let _ = write!(out, "<{open}{class}>{}", name(cell));
        }
    }
    out.push_str("</table></div>\n");
    out
}

/// Paragraphs of a list; empty without items.
pub fn list(items: &[String]) -> String {
    if items.is_empty() {
        return String::new();
    }
    let items: String = items.iter().map(|item| format!("<li>{}", prose(item))).collect();
    format!("<ul>{items}</ul>\n")
}

/// `content` that opens under `summary`; empty without content.
pub fn folded(summary: &str, content: &str) -> String {
    if content.is_empty() {
        return String::new();
    }
    format!("<details><summary>{}</summary>{content}</details>\n", name(summary))
}

/// What must not be overlooked.
pub fn warning(text: &str) -> String {
    format!("<p class=warning><b>Note.</b> {}</p>\n", prose(text))
}

/// Figures side by side where there is room.
pub fn figures(figures: &[Figure]) -> String {
    if figures.is_empty() {
        return String::new();
    }
    let all: String = figures.iter().map(figure).collect();
    format!("<div class=figures>{all}</div>\n")
}

fn figure(figure: &Figure) -> String {
    let Figure { id, title, finding, svg, table: data } = figure;
    let csv = csv::text(data);
    let shown = Table {
        columns: data.columns.clone(),
        rows: data.rows.iter().take(FIGURE_ROWS).cloned().collect(),
    };
    let left_out = data.rows.len() - shown.rows.len();
    let more = if left_out > 0 {
        format!("<p class=small>{} more in the CSV.</p>", count(left_out, "row"))
    } else {
        String::new()
    };
    let (title, finding) = (name(title), prose(finding));
    let id = name(id);
    format!(
        "<figure aria-labelledby=\"{id}-heading\"><h4 id=\"{id}-heading\">{title}</h4>\
         <div class=drawing role=group tabindex=0 aria-label=\"{title}\">{svg}</div>\
         <figcaption>{finding}</figcaption>{}\
         <p class=links><a download=\"{id}.csv\" href=\"data:text/csv;charset=utf-8,{}\">\
         CSV<span class=unseen> of {title}</span></a></p></figure>\n",
        folded("The numbers", &format!("{}{more}", table(&figure.title, &shown))),
        escape::percent(&csv),
    )
}
