//! The form for issues, chats and job summaries.

use std::io::{self, Write};

use super::brief::{self, Part};
use super::numbers::count;
use super::{Align, Block, Content, Look, Table, Tone, document};

/// Bytes that a report may have: more is refused by the places that job summaries and issues go to.
const MOST_BYTES: usize = 60_000;

/// Writes headings, paragraphs and pipe tables; of a dossier, its parts folded, as many as fit.
pub fn write(content: &Content, _look: Look, out: &mut dyn Write) -> io::Result<()> {
    if let Content::Dossier(dossier) = content {
        return write_parts(&brief::parts(dossier), out);
    }
    write_blocks(&document(content, usize::MAX).blocks, out)
}

/// Writes the parts; one that does not fit is named instead.
fn write_parts(parts: &[Part], out: &mut dyn Write) -> io::Result<()> {
    let mut written = 0;
    let mut left_out = Vec::new();
    for part in parts {
        let mut text = Vec::new();
        match &part.fold {
            Some(title) => {
                let title = html(title);
                writeln!(text, "\n<details><summary>{title}</summary>\n")?;
                write_blocks(&part.document.blocks, &mut text)?;
                writeln!(text, "\n</details>")?;
            }
            None => {
                if written > 0 {
                    writeln!(text)?;
                }
                write_blocks(&part.document.blocks, &mut text)?;
            }
        }
        if written + text.len() > MOST_BYTES - ROOM_TO_TELL {
            left_out.push(part.fold.as_deref().unwrap_or("how to do it again"));
            continue;
        }
        written += text.len();
        out.write_all(&text)?;
    }
    if let Some(first) = left_out.first() {
        let first: String = escaped(first).chars().take(100).collect();
        let number = count(left_out.len(), "part");
        writeln!(out, "\n{number} left out for length, among them \"{first}\"; see report.html.")?;
    }
    Ok(())
}

/// Bytes kept for saying what was left out.
const ROOM_TO_TELL: usize = 1_000;

/// A fold's title: HTML, in which Markdown is not read.
fn html(text: &str) -> String {
    let cut: String = text.chars().take(200).collect();
    cut.replace('&', "&amp;").replace('<', "&lt;").replace(char::is_control, " ")
}

fn write_blocks(blocks: &[Block], out: &mut dyn Write) -> io::Result<()> {
    for (index, block) in blocks.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        match block {
            Block::Heading(level, text) => {
                writeln!(out, "{} {}", "#".repeat(usize::from(*level)), escaped(text))?;
            }
            Block::Text(Tone::Plain, text) => writeln!(out, "{}", escaped(text))?,
            Block::Text(Tone::Strong | Tone::Warning, text) => {
                writeln!(out, "**{}**", escaped(text))?;
            }
            Block::List(items) => {
                for item in items {
                    writeln!(out, "- {}", escaped(item))?;
                }
            }
            Block::Table(table) => write_table(table, out)?,
        }
    }
    Ok(())
}

fn write_table(table: &Table, out: &mut dyn Write) -> io::Result<()> {
    let titles: Vec<String> = table.columns.iter().map(|c| escaped(c.title)).collect();
    writeln!(out, "| {} |", titles.join(" | "))?;
    let rule = |align| if align == Align::Right { "---:" } else { "---" };
    let rules: Vec<&str> = table.columns.iter().map(|c| rule(c.align)).collect();
    writeln!(out, "| {} |", rules.join(" | "))?;
    for row in &table.rows {
        let cells: Vec<String> = row.iter().map(|cell| escaped(cell)).collect();
        writeln!(out, "| {} |", cells.join(" | "))?;
    }
    Ok(())
}

/// Text that Markdown shows as it is: one line, no cell ends, markup or HTML.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '*' | '`' | '\\' | '<' | '[' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Document, Listing};

    #[test]
    fn foreign_names_break_neither_table_nor_page() {
        let mut table = Table::new(&["name", ">count"]);
        table.row(["a|b\n<img>".into(), "1".into()]);
        let mut document = Document::default();
        document.heading(2, "Rows");
        document.table(table);
        let mut out = Vec::new();
        let listing = Listing { document, ..Listing::default() };
        write(&Content::Listing(&listing), Look::default(), &mut out).expect("a vector");
        let expected = "## Rows\n\n| name | count |\n| --- | ---: |\n| a\\|b \\<img> | 1 |\n";
        assert_eq!(String::from_utf8(out).expect("text"), expected);
    }
}
