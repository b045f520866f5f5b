//! The one way by which text that others wrote gets into the page.

/// Characters of a name that a cell or heading shows; the whole stands in CSV and JSON.
pub const NAME: usize = 140;
/// Characters of a paragraph, with room for several names.
pub const PROSE: usize = 2000;

/// `raw` as text of an element or value of a quoted attribute, after `most` characters cut.
pub fn text(raw: &str, most: usize) -> String {
    let mut out = String::with_capacity(raw.len().min(most.saturating_mul(4)) + 16);
    for (index, c) in raw.chars().enumerate() {
        if index == most {
            out.push('…');
            break;
        }
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(' '),
            c if c.is_control() || turns(c) => out.push_str(&format!("U+{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// A command, whole, so that it can be pasted.
pub fn command(raw: &str) -> String {
    text(raw, usize::MAX)
}

/// A paragraph; what stands between backticks is code.
pub fn prose(raw: &str) -> String {
    // A share stays in one piece.
    let escaped = text(raw, PROSE).replace(" %", "\u{a0}%");
    let mut out = String::with_capacity(escaped.len());
    let parts: Vec<&str> = escaped.split('`').collect();
    for (index, part) in parts.iter().enumerate() {
        match (index % 2, index + 1 == parts.len()) {
            (1, false) => out.push_str(&format!("<code>{part}</code>")),
            // The last backtick opens nothing.
            (1, true) => out.push_str(&format!("`{part}")),
            _ => out.push_str(part),
        }
    }
    out
}

/// A sentence that begins like one and ends like one.
pub fn sentence(raw: &str) -> String {
    let raw = match raw.get(..4) {
        Some("gpu:" | "cpu:") => &format!("{}{}", raw[..3].to_uppercase(), &raw[3..]),
        _ => raw,
    };
    let mut chars = raw.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    let end = if raw.ends_with(['.', '?', '!']) { "" } else { "." };
    prose(&format!("{first}{}{end}", chars.as_str()))
}

/// A name or a cell.
pub fn name(raw: &str) -> String {
    text(raw, NAME)
}

/// Marks that turn the direction of what follows, or hide: such a name is shown with them spelt out.
fn turns(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// `raw` for the part of a data URI after the comma.
pub fn percent(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len() * 2);
    for byte in raw.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b',' => {
                out.push(char::from(byte));
            }
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_code_are_text() {
        assert_eq!(name("<b id='x\">&"), "&lt;b id=&#39;x&quot;&gt;&amp;");
        assert_eq!(name("a\u{202e}b\0c\nd"), "aU+202EbU+0000c d");
        assert_eq!(prose("run `a<b` or ` so"), "run <code>a&lt;b</code> or ` so");
        assert_eq!(percent("a b,µ\n<"), "a%20b,%C2%B5%0A%3C");
    }

    #[test]
    fn a_long_name_is_cut_by_characters() {
        let long = "é".repeat(10_000);
        assert_eq!(name(&long), format!("{}…", "é".repeat(NAME)));
        assert_eq!(name("short"), "short");
    }
}
