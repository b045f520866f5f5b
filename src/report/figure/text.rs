//! Text of unknown origin made fit for a picture: cleaned, escaped, shortened, measured.

/// What stands for a character that must not act.
const REPLACEMENT: char = '\u{FFFD}';

/// `text` on one line, without characters that would act on what is around them: control characters,
/// overrides of the writing direction and what XML cannot hold.
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\r' | '\t' => ' ',
            // Marks, embeddings, overrides and isolates of direction; the byte order mark.
            '\u{061C}'
            | '\u{200E}'
            | '\u{200F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2066}'..='\u{2069}'
            | '\u{FEFF}'
            | '\u{FFFE}'
            | '\u{FFFF}' => REPLACEMENT,
            c if c.is_control() => REPLACEMENT,
            c => c,
        })
        .collect()
}

/// `text` as XML has it.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

/// `text` cleaned, of at most `most` characters, the last of them … where some are left out.
pub fn shortened(text: &str, most: usize) -> String {
    let mut chars = text.chars();
    let head: String = chars.by_ref().take(most).collect();
    if chars.next().is_none() {
        return clean(&head);
    }
    let kept: String = head.chars().take(most.saturating_sub(1)).collect();
    clean(kept.trim_end()) + "…"
}

/// About how wide `text` is in a sans-serif face of this size: as in DejaVu Sans, wider than most.
pub fn width(text: &str, size: f64) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | ' ' | '(' | ')' => 0.34,
        'm' | 'w' | 'M' | 'W' | '%' => 0.94,
        '⁰'..='⁹' | '¹' | '²' | '³' => 0.42,
        c if c.is_ascii_uppercase()
            || matches!(c, '=' | '+' | '<' | '>' | '×' | '±' | '→' | '−' | '÷') =>
        {
            0.8
        }
        c if c.is_ascii() => 0.61,
        c if (c as u32) < 0x1100 => 0.66,
        // Scripts of square characters.
        _ => 1.0,
    };
    size * text.chars().map(em).sum::<f64>()
}

/// `text` cleaned and cut to `room`, with … where something is left out.
pub fn fitted(text: &str, room: f64, size: f64) -> String {
    let text = shortened(text, 200);
    if width(&text, size) <= room {
        return text;
    }
    let mut kept = String::new();
    let mut used = width("…", size);
    for c in text.chars() {
        used += width(c.encode_utf8(&mut [0; 4]), size);
        if used > room {
            break;
        }
        kept.push(c);
    }
    kept.trim_end().to_owned() + "…"
}

/// `name` fit for an id: lower case, digits and single hyphens, of at most `most` characters.
pub fn slug(name: &str, most: usize) -> String {
    let mut out = String::new();
    for c in name.chars().map(|c| c.to_ascii_lowercase()) {
        if out.len() >= most {
            break;
        }
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    out.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_text_and_on_its_line() {
        assert_eq!(escaped("<a b=\"c\">&"), "&lt;a b=&quot;c&quot;&gt;&amp;");
        assert_eq!(clean("a\nb\u{0}c\u{202E}d\u{2066}"), "a b\u{FFFD}c\u{FFFD}d\u{FFFD}");
        // Right-to-left letters are text like any other.
        assert_eq!(clean("שלום"), "שלום");
    }

    #[test]
    fn long_names_end_in_an_ellipsis_where_they_no_longer_fit() {
        assert_eq!(shortened("abcdef", 6), "abcdef");
        assert_eq!(shortened("abcdefg", 6), "abcde…");
        let cut = fitted(&"W".repeat(10_000), 100.0, 15.0);
        assert!(cut.ends_with('…') && width(&cut, 15.0) <= 100.0, "{cut}");
        assert_eq!(fitted("cpu", 100.0, 15.0), "cpu");
        assert_eq!(fitted("", 100.0, 15.0), "");
    }

    #[test]
    fn ids_hold_letters_digits_and_hyphens() {
        assert_eq!(slug("matmul dtype=f32 m=*", 40), "matmul-dtype-f32-m");
        assert_eq!(slug("\"><script>", 40), "script");
        assert_eq!(slug("שלום", 40), "");
        assert_eq!(slug("abc-def", 4), "abc");
    }
}
