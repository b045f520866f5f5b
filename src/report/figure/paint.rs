//! Colours: variables of the page with fallbacks, and what they become in a file of its own.
//!
//! plotters writes colours as hexadecimal numbers into every shape. A [`Style`] travels through it as
//! a colour that names the paint and the look, and is replaced by both afterwards.

use plotters::style::RGBColor;

/// Marks the colours that stand for a style.
const MARK: u8 = 0xA5;

/// A colour by its role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Text and axes.
    Ink,
    /// Text and lines that matter less.
    Muted,
    /// Lines of the grid.
    Grid,
    /// What is drawn on.
    Paper,
    /// Series by number, from 0; after the last the first again.
    Series(u8),
}

/// Name of the variable, colour on light ground, colour on dark ground.
type Entry = (&'static str, &'static str, &'static str);

/// The paints before the series, in the order of [`Paint`].
const ROLES: [Entry; 4] = [
    ("ink", "#1F2328", "#E6EDF3"),
    ("muted", "#57606A", "#9DA7B1"),
    ("grid", "#D8DEE4", "#30363D"),
    ("paper", "#FFFFFF", "#0D1117"),
];

/// The palette of Okabe and Ito (jfly.uni-koeln.de/color), which the colour-blind can tell apart:
/// blue, vermilion, bluish green, reddish purple, orange, sky blue. On dark ground the darker ones
/// are lightened.
const SERIES: [Entry; 6] = [
    ("s1", "#0072B2", "#4AA8E0"),
    ("s2", "#D55E00", "#F0803C"),
    ("s3", "#009E73", "#2FBF95"),
    ("s4", "#CC79A7", "#DD9ABF"),
    ("s5", "#E69F00", "#E6A817"),
    ("s6", "#56B4E9", "#7CC7F2"),
];

/// How a shape is drawn beside its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// As it is.
    Plain,
    /// A line of long dashes.
    Dashed,
    /// A line of dots.
    Dotted,
    /// A line of dashes and dots.
    DashDotted,
    /// Text with paper around its letters, so that lines do not cross them.
    Halo,
    /// A path of which only the corners are drawn, as dots.
    Dots,
}

const LOOKS: [Look; 6] =
    [Look::Plain, Look::Dashed, Look::Dotted, Look::DashDotted, Look::Halo, Look::Dots];

/// A paint with its look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    pub paint: Paint,
    pub look: Look,
}

impl From<Paint> for Style {
    fn from(paint: Paint) -> Self {
        Self { paint, look: Look::Plain }
    }
}

impl Paint {
    fn number(self) -> u8 {
        match self {
            Self::Ink => 0,
            Self::Muted => 1,
            Self::Grid => 2,
            Self::Paper => 3,
            Self::Series(n) => ROLES.len() as u8 + n % SERIES.len() as u8,
        }
    }

    /// The same with another look.
    pub fn with(self, look: Look) -> Style {
        Style { paint: self, look }
    }
}

impl Style {
    /// The colour that stands for it in what plotters writes.
    pub fn code(self) -> RGBColor {
        let look = LOOKS.iter().position(|l| *l == self.look).unwrap_or(0);
        RGBColor(self.paint.number(), look as u8, MARK)
    }
}

/// `var(--s1, #0072B2)` and the look, of a code in hexadecimal (`0400A5`); `None` of another colour.
pub fn decoded(hex: &str) -> Option<(String, Look)> {
    let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    let (paint, look, mark) = (byte(0)?, byte(2)?, byte(4)?);
    let entry = ROLES.iter().chain(&SERIES).nth(paint.into())?;
    let look = LOOKS.get(usize::from(look)).filter(|_| mark == MARK)?;
    Some((format!("var(--{}, {})", entry.0, entry.1), *look))
}

/// The colour on dark ground of the variable called `name` (`ink`, `s1`).
pub fn dark(name: &str) -> Option<&'static str> {
    ROLES.iter().chain(&SERIES).find(|entry| entry.0 == name).map(|entry| entry.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_style_survives_the_way_through_a_colour() {
        let style = Paint::Series(1).with(Look::Dashed);
        let RGBColor(r, g, b) = style.code();
        let (css, look) = decoded(&format!("{r:02X}{g:02X}{b:02X}")).expect("a style");
        assert_eq!((css.as_str(), look), ("var(--s2, #D55E00)", Look::Dashed));
        assert_eq!(decoded("0000FF"), None);
        assert_eq!(decoded("zz"), None);
    }

    /// Relative luminance and contrast as WCAG 2.2 defines them.
    fn contrast(a: &str, b: &str) -> f64 {
        let luminance = |hex: &str| {
            let channel = |at: usize| {
                let v = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
                if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
        };
        let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
        a.max(b) / a.min(b)
    }

    #[test]
    fn text_and_the_series_that_draw_lines_can_be_seen_on_both_grounds() {
        let [_, _, _, (_, light, dark)] = ROLES;
        for (name, on_light, on_dark) in &ROLES[..2] {
            assert!(contrast(on_light, light) >= 4.5, "{name}");
            assert!(contrast(on_dark, dark) >= 4.5, "{name}");
        }
        // Orange and sky blue are for areas, whose borders and words are drawn in ink.
        for (name, on_light, on_dark) in &SERIES[..4] {
            assert!(contrast(on_light, light) >= 3.0, "{name}");
            assert!(contrast(on_dark, dark) >= 3.0, "{name}");
        }
    }
}
