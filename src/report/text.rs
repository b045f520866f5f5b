//! The form for people at a terminal.

use std::io::{self, Write};

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Width, presets};

use super::{Align, Block, Column, Content, Look, Table, Tone, document, ending};

/// VM sizes of each kind shown a workload: a screen's worth; the other forms have all.
const SIZES: usize = 3;

/// Characters of a word that a narrow terminal does not break.
const LONGEST_WORD: u16 = 26;

/// Writes headings, paragraphs and tables, cut to the terminal's width; what to see first stands
/// last.
pub fn write(content: &Content, look: Look, out: &mut dyn Write) -> io::Result<()> {
    if !look.ascii {
        return shown(content, look, out);
    }
    let mut text = Vec::new();
    shown(content, look, &mut text)?;
    out.write_all(plain(&String::from_utf8_lossy(&text)).as_bytes())
}

fn shown(content: &Content, look: Look, out: &mut dyn Write) -> io::Result<()> {
    for (index, block) in document(content, SIZES).blocks.iter().enumerate() {
        match block {
            Block::Heading(_, text) => {
                let gap = if index == 0 { "" } else { "\n" };
                writeln!(out, "{gap}{}", painted(&wrapped(&clean(text), "", look), "1", look))?;
            }
            Block::Text(tone, text) => {
                let code = match tone {
                    Tone::Plain => "",
                    Tone::Strong => "1",
                    Tone::Warning => "33",
                };
                writeln!(out, "{}", painted(&wrapped(&clean(text), "", look), code, look))?;
            }
            Block::List(items) => {
                for item in items {
                    writeln!(out, "  - {}", wrapped(&clean(item), "    ", look))?;
                }
            }
            Block::Table(table) => writeln!(out, "{}", drawn(table, look))?,
        }
    }
    ending::lines(content, look).iter().try_for_each(|line| writeln!(out, "{line}"))
}

/// `text` for a terminal that shows ASCII only; each character becomes one, so columns stay.
fn plain(text: &str) -> String {
    let ascii = |c: char| match c {
        '×' => 'x',
        '–' | '−' | '─' => '-',
        'µ' => 'u',
        '±' => '~',
        '…' => '.',
        '▲' => '^',
        '△' => '*',
        '▼' => 'v',
        '●' => '=',
        '◌' => '?',
        '²' => '2',
        c if c.is_ascii() => c,
        _ => '?',
    };
    text.chars().map(ascii).collect()
}

/// The table in columns two spaces apart, under a line; where the terminal is too narrow for them,
/// a line a cell.
pub fn drawn(table: &Table, look: Look) -> String {
    let cells: Vec<Vec<String>> = table.rows.iter().map(|row| unbroken(table, row)).collect();
    let least: Vec<u16> = (0..table.columns.len())
        .map(|index| {
            longest_word(table, &cells, index).min(LONGEST_WORD) + 1 + u16::from(index > 0)
        })
        .collect();
    if look.width.is_some_and(|width| least.iter().sum::<u16>() > width + 1) {
        return stacked(table, look);
    }
    let mut drawing = comfy_table::Table::new();
    drawing.load_style(presets::NOTHING);
    drawing.force_no_tty();
    if let Some(width) = look.width {
        drawing.set_content_arrangement(ContentArrangement::Dynamic);
        drawing.set_width(width);
    }
    drawing.set_header(table.columns.iter().map(|column| column.title));
    drawing.add_rows(&cells);
    for (index, column) in table.columns.iter().enumerate() {
        let Some(drawn) = drawing.column_mut(index) else { continue };
        let left = if index == 0 { 0 } else { 1 };
        drawn.set_padding((left, 1));
        // Words stay whole; only where a column holds a very long one is it broken.
        drawn.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least[index])));
        drawn.set_cell_alignment(match column.align {
            Align::Left => CellAlignment::Left,
            Align::Right => CellAlignment::Right,
        });
    }
    let mut lines: Vec<String> =
        drawing.lines().map(|line| line.trim_end().replace(NO_BREAK, " ")).collect();
    if let Some(head) = lines.first_mut() {
        *head = painted(head, "4", look);
    }
    lines.join("\n")
}

/// Each row as its first cell and a line for each other that says something.
fn stacked(table: &Table, look: Look) -> String {
    let mut lines = Vec::new();
    for row in &table.rows {
        for (index, (cell, column)) in row.iter().zip(&table.columns).enumerate() {
            let cell = unbroken_cell(cell, column);
            if index == 0 {
                lines.push(painted(&wrapped(&cell, "", look), "4", look));
            } else if !cell.is_empty() {
                let line = wrapped(&format!("{}: {cell}", column.title), "    ", look);
                lines.push(format!("  {line}"));
            }
        }
    }
    lines.join("\n").replace(NO_BREAK, " ")
}

/// Stands for a space inside a number, so that `12.0 ms` is not broken after `12.0`.
const NO_BREAK: char = '\u{a0}';

/// The cells of a row, numbers in one piece.
fn unbroken(table: &Table, row: &[String]) -> Vec<String> {
    row.iter().zip(&table.columns).map(|(cell, column)| unbroken_cell(cell, column)).collect()
}

fn unbroken_cell(cell: &str, column: &Column) -> String {
    match column.align {
        Align::Left => clean(cell),
        Align::Right => clean(cell).replace(' ', &NO_BREAK.to_string()),
    }
}

/// Characters of the longest word in a column.
fn longest_word(table: &Table, cells: &[Vec<String>], column: usize) -> u16 {
    let texts = cells.iter().map(|row| row[column].as_str());
    let words = texts.chain([table.columns[column].title]).flat_map(|text| text.split(' '));
    words.map(|word| word.chars().count()).max().unwrap_or(0).try_into().unwrap_or(u16::MAX)
}

/// `text` in an ANSI style, where colours are wanted.
pub fn painted(text: &str, code: &str, look: Look) -> String {
    if look.color && !code.is_empty() && !text.is_empty() {
        format!("\x1b[{code}m{text}\x1b[0m")
    } else {
        text.into()
    }
}

/// `text` broken at spaces to the terminal's width, later lines after `indent`.
pub fn wrapped(text: &str, indent: &str, look: Look) -> String {
    let Some(width) = look.width.map(usize::from) else { return text.to_owned() };
    let mut out = String::new();
    let mut column = indent.chars().count();
    let words: Vec<&str> = text.split(' ').collect();
    for (index, word) in words.iter().enumerate() {
        let length = word.chars().count();
        if !out.is_empty() {
            // A number stays with its unit.
            let unit = words.get(index + 1).filter(|next| measures(word, next));
            let whole = length + unit.map_or(0, |unit| 1 + unit.chars().count());
            if column + 1 + whole > width {
                out.push('\n');
                out.push_str(indent);
                column = indent.chars().count();
            } else {
                out.push(' ');
                column += 1;
            }
        }
        out.push_str(word);
        column += length;
    }
    out
}

/// Whether `next` is the unit of the number that `word` ends in.
fn measures(word: &str, next: &str) -> bool {
    const UNITS: [&str; 12] =
        ["%", "ns", "µs", "ms", "s", "min", "h", "B", "KiB", "MiB", "GiB", "TiB"];
    let unit = next.trim_end_matches([',', ';', '.', ')', ':']);
    let number = word.ends_with(|c: char| c.is_ascii_digit());
    number && (UNITS.contains(&unit) || (unit.ends_with("/s") && unit.len() < 14))
}

/// Names come from files that others wrote: no control character of theirs reaches the terminal.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Document, Listing};

    fn written(document: &Document, look: Look) -> String {
        let mut out = Vec::new();
        let listing = Listing { document: document.clone(), ..Listing::default() };
        write(&Content::Listing(&listing), look, &mut out).expect("a vector takes everything");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn numbers_stand_to_the_right_and_lines_do_not_end_in_spaces() {
        let mut table = Table::new(&["name", ">count"]);
        table.row(["a".into(), "1".into()]);
        table.row(["bcd".into(), "100".into()]);
        let mut document = Document::default();
        document.table(table);
        assert_eq!(written(&document, Look::default()), "name  count\na         1\nbcd     100\n");
    }

    #[test]
    fn escapes_in_foreign_names_do_not_reach_the_terminal() {
        let mut document = Document::default();
        document.text("evil\x1b[2Jname");
        assert_eq!(written(&document, Look::default()), "evil\u{fffd}[2Jname\n");
    }

    #[test]
    fn numbers_are_not_parted_from_their_units() {
        let mut document = Document::default();
        document.text("it takes 12.0 ms, or 9 %");
        let look = Look { width: Some(14), ..Look::default() };
        assert_eq!(written(&document, look), "it takes\n12.0 ms, or\n9 %\n");
    }

    #[test]
    fn a_table_that_is_too_wide_is_a_line_a_cell() {
        let mut table = Table::new(&["name", ">takes", "on"]);
        table.row(["a".into(), "12.0 ms".into(), "one two three".into()]);
        let mut document = Document::default();
        document.table(table);
        let narrow = Look { width: Some(18), ..Look::default() };
        let expected = "a\n  takes: 12.0 ms\n  on: one two\n    three\n";
        assert_eq!(written(&document, narrow), expected);
    }

    #[test]
    fn a_terminal_without_utf8_gets_one_ascii_character_for_each() {
        let mut document = Document::default();
        document.text("2.8× ±5 % – ü");
        let look = Look { ascii: true, ..Look::default() };
        assert_eq!(written(&document, look), "2.8x ~5 % - ?\n");
    }

    #[test]
    fn paragraphs_fit_the_terminal() {
        let mut document = Document::default();
        document.list(vec!["one two three four".into()]);
        let look = Look { width: Some(13), ..Look::default() };
        assert_eq!(written(&document, look), "  - one two\n    three\n    four\n");
    }
}
