//! The form for issues, chats and job summaries.

use std::io::{self, Write};

use super::{Align, Block, Content, Look, Table, Tone, document};

/// Writes headings, paragraphs and pipe tables.
pub fn write(content: &Content, _look: Look, out: &mut dyn Write) -> io::Result<()> {
    for (index, block) in document(content, usize::MAX).blocks.iter().enumerate() {
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
