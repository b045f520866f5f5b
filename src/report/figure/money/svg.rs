//! A sheet to draw on: shapes and text as SVG, with the colours of the page and fallbacks for files.

use std::fmt::Write;

/// Width of a sheet in its own pixels; it scales with the page. Narrow, so that on a telephone the text
/// is not scaled to nothing.
pub const WIDTH: f64 = 560.0;
/// Size of ordinary text.
pub const TEXT: f64 = 13.5;
/// Size of ticks and legends.
pub const SMALL: f64 = 12.5;

/// Text and lines.
pub const INK: &str = "var(--figure-ink,#1f2328)";
/// Text that matters less.
pub const MUTED: &str = "var(--figure-muted,#57606a)";
/// Lines of the grid.
pub const GRID: &str = "var(--figure-grid,#d8dee4)";
/// What is drawn on.
pub const PAPER: &str = "var(--figure-paper,#ffffff)";

/// Side that a text is anchored at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// A box on the sheet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Area {
    /// Whether the two have a point in common.
    pub fn meets(&self, other: &Self) -> bool {
        self.x < other.x + other.width
            && other.x < self.x + self.width
            && self.y < other.y + other.height
            && other.y < self.y + self.height
    }

    /// Whether `other` is inside.
    pub fn holds(&self, other: &Self) -> bool {
        other.x >= self.x
            && other.y >= self.y
            && other.x + other.width <= self.x + self.width
            && other.y + other.height <= self.y + self.height
    }
}

/// The sheet.
pub struct Sheet {
    id: String,
    body: String,
}

/// A coordinate: a tenth of a pixel is enough.
pub fn at(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// Text as XML has it; control characters, which it cannot have, are left out.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

/// About how wide `text` is in a sans-serif face of this size: fonts differ, so a little more than most.
pub fn text_width(text: &str, size: f64) -> f64 {
    let em = |c: char| match c {
        'i' | 'l' | 'j' | '.' | ',' | ':' | ';' | '\'' | '|' | ' ' | '(' | ')' => 0.32,
        'm' | 'w' | 'M' | 'W' | '%' => 0.88,
        c if c.is_ascii_uppercase() || c == '_' => 0.68,
        c if c.is_ascii() => 0.57,
        _ => 0.75,
    };
    size * text.chars().map(em).sum::<f64>()
}

/// `text` cut to `width` with an ellipsis.
pub fn fitted(text: &str, width: f64, size: f64) -> String {
    if text_width(text, size) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if text_width(&kept, size) + 0.75 * size > width {
            kept.pop();
            break;
        }
    }
    kept + "…"
}

impl Sheet {
    /// An empty sheet; ids of what is defined on it begin with `id`.
    pub fn new(id: &str) -> Self {
        Self { id: id.to_owned(), body: String::new() }
    }

    /// The id of a definition called `name`.
    pub fn id(&self, name: &str) -> String {
        format!("{}-{name}", self.id)
    }

    /// Adds SVG as it is.
    pub fn raw(&mut self, svg: &str) {
        self.body.push_str(svg);
    }

    pub fn rect(&mut self, area: Area, fill: &str, more: &str) {
        let Area { x, y, width, height } = area;
        let (x, y, w, h) = (at(x), at(y), at(width.max(0.0)), at(height.max(0.0)));
        let _ = write!(
            self.body,
            r#"<rect x="{x}" y="{y}" width="{w}" height="{h}" fill="{fill}"{more}/>"#
        );
    }

    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: &str, more: &str) {
        let (x1, y1, x2, y2) = (at(from.0), at(from.1), at(to.0), at(to.1));
        let _ = write!(
            self.body,
            r#"<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{stroke}"{more}/>"#
        );
    }

    pub fn path(&mut self, d: &str, more: &str) {
        let _ = write!(self.body, r#"<path d="{d}"{more}/>"#);
    }

    pub fn text(&mut self, place: (f64, f64), anchor: Anchor, size: f64, fill: &str, text: &str) {
        self.styled(place, anchor, size, fill, "", text);
    }

    /// The same in bold.
    pub fn bold(&mut self, place: (f64, f64), anchor: Anchor, size: f64, fill: &str, text: &str) {
        self.styled(place, anchor, size, fill, r#" font-weight="600""#, text);
    }

    fn styled(
        &mut self,
        (x, y): (f64, f64),
        anchor: Anchor,
        size: f64,
        fill: &str,
        more: &str,
        text: &str,
    ) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        let (x, y, text) = (at(x), at(y), escaped(text));
        let _ = write!(
            self.body,
            r#"<text x="{x}" y="{y}" font-size="{size}" fill="{fill}"{anchor}{more}>{text}</text>"#
        );
    }

    /// A text in the middle of an area, with paper around its letters so that lines do not cross them.
    pub fn haloed(&mut self, area: Area, text: &str) {
        let place = (area.x + area.width / 2.0, area.y + area.height - 4.0);
        let halo = format!(
            r#" stroke="{PAPER}" stroke-width="3.5" stroke-linejoin="round" paint-order="stroke""#
        );
        self.styled(place, Anchor::Middle, SMALL, INK, &halo, text);
    }

    /// A text on a patch of paper, so that it can be read on any colour.
    pub fn label(&mut self, area: Area, text: &str) {
        self.rect(area, PAPER, r#" fill-opacity="0.9" rx="3""#);
        let place = (area.x + area.width / 2.0, area.y + area.height - 5.0);
        self.text(place, Anchor::Middle, SMALL, INK, text);
    }

    /// The whole, `height` high, with its title and its finding as alternative text.
    pub fn finish(self, height: f64, title: &str, finding: &str) -> String {
        let (id, body, title, finding) = (self.id, self.body, escaped(title), escaped(finding));
        let (w, h) = (at(WIDTH), at(height));
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" id="{id}" class="figure" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" aria-labelledby="{id}-title {id}-desc" font-family="system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"><title id="{id}-title">{title}</title><desc id="{id}-desc">{finding}</desc><rect width="{w}" height="{h}" fill="{PAPER}"/>{body}</svg>"#
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_text() {
        assert_eq!(escaped("<a href=\"x\">&\u{0}\u{7}b"), "&lt;a href=&quot;x&quot;&gt;&amp;b");
        let cut = fitted(&"W".repeat(10_000), 100.0, 13.0);
        assert!(cut.ends_with('…') && text_width(&cut, 13.0) <= 101.0, "{cut}");
        assert_eq!(fitted("G8", 100.0, 13.0), "G8");
    }
}
