//! A sheet to draw on. Shapes are kept, drawn by plotters' SVG backend in the end, and its text is
//! then given what it lacks: a role, title and description, colours of the page, dashes, fonts.

use plotters::backend::{DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color, FontDesc, FontFamily, FontStyle, FontTransform, ShapeStyle, TextStyle,
};

use super::paint::{Look, Paint, Style, decoded};
use super::text::{clean, escaped, shortened};

/// Width of a sheet in its own units. Narrow, so that its text can still be read on a telephone.
pub const WIDTH: f64 = 520.0;
/// Size of all text.
pub const TEXT: f64 = 16.0;

/// plotters draws at whole units; so many of them are one of ours.
const FINE: f64 = 2.0;
/// plotters writes text smaller than it is told, by this factor.
const PLOTTERS_TEXT: f64 = 1.24;
/// A title or finding longer than this is cut in the alternative text.
const MOST_TEXT: usize = 2000;

/// A point on the sheet.
pub type Place = (f64, f64);

/// A box on the sheet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Area {
    pub fn right(&self) -> f64 {
        self.x + self.width
    }

    pub fn bottom(&self) -> f64 {
        self.y + self.height
    }

    /// Whether the two have a point in common.
    pub fn meets(&self, other: &Self) -> bool {
        self.x < other.right()
            && other.x < self.right()
            && self.y < other.bottom()
            && other.y < self.bottom()
    }

    /// Whether `other` is inside.
    pub fn holds(&self, other: &Self) -> bool {
        other.x >= self.x
            && other.y >= self.y
            && other.right() <= self.right()
            && other.bottom() <= self.bottom()
    }
}

/// Side that a text begins at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// Shape of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
    /// A circle of which only the border is drawn.
    Ring,
}

enum Shape {
    /// A line through the points, or its corners as dots.
    Path {
        points: Vec<Place>,
        style: Style,
        width: f64,
    },
    Filled {
        points: Vec<Place>,
        paint: Paint,
        opacity: f64,
    },
    Rect {
        area: Area,
        paint: Paint,
        opacity: f64,
    },
    Border {
        area: Area,
        paint: Paint,
    },
    Circle {
        at: Place,
        radius: f64,
        paint: Paint,
        filled: bool,
    },
    Text {
        at: Place,
        anchor: Anchor,
        size: f64,
        style: Style,
        text: String,
    },
}

/// The sheet.
pub struct Sheet {
    height: f64,
    shapes: Vec<Shape>,
}

impl Sheet {
    /// An empty sheet.
    pub fn new(height: f64) -> Self {
        Self { height, shapes: Vec::new() }
    }

    /// Its height, where that is known only after drawing.
    pub fn set_height(&mut self, height: f64) {
        self.height = height;
    }

    pub fn line(&mut self, from: Place, to: Place, style: impl Into<Style>, width: f64) {
        self.path(vec![from, to], style, width);
    }

    pub fn path(&mut self, points: Vec<Place>, style: impl Into<Style>, width: f64) {
        self.shapes.push(Shape::Path { points, style: style.into(), width });
    }

    /// A dot at each of the points, in one element however many they are.
    pub fn dots(&mut self, points: Vec<Place>, paint: Paint, diameter: f64) {
        self.path(points, paint.with(Look::Dots), diameter);
    }

    pub fn filled(&mut self, points: Vec<Place>, paint: Paint, opacity: f64) {
        self.shapes.push(Shape::Filled { points, paint, opacity });
    }

    pub fn rect(&mut self, area: Area, paint: Paint, opacity: f64) {
        self.shapes.push(Shape::Rect { area, paint, opacity });
    }

    /// The border of an area.
    pub fn border(&mut self, area: Area, paint: Paint) {
        self.shapes.push(Shape::Border { area, paint });
    }

    pub fn circle(&mut self, at: Place, radius: f64, paint: Paint, filled: bool) {
        self.shapes.push(Shape::Circle { at, radius, paint, filled });
    }

    /// `at` is the middle of the line in height.
    pub fn text(
        &mut self,
        at: Place,
        anchor: Anchor,
        size: f64,
        style: impl Into<Style>,
        text: &str,
    ) {
        let (style, text) = (style.into(), clean(text));
        self.shapes.push(Shape::Text { at, anchor, size, style, text });
    }

    pub fn marker(&mut self, (x, y): Place, marker: Marker, paint: Paint) {
        let r = 4.5;
        match marker {
            Marker::Circle => self.circle((x, y), r, paint, true),
            Marker::Ring => {
                self.circle((x, y), r, Paint::Paper, true);
                self.circle((x, y), r, paint, false);
            }
            Marker::Square => {
                let area = Area { x: x - 4.0, y: y - 4.0, width: 8.0, height: 8.0 };
                self.rect(area, paint, 1.0);
            }
            Marker::Triangle => {
                self.filled(vec![(x, y - 5.5), (x + 5.0, y + 4.0), (x - 5.0, y + 4.0)], paint, 1.0);
            }
            Marker::Diamond => {
                let corners = vec![(x, y - 6.0), (x + 6.0, y), (x, y + 6.0), (x - 6.0, y)];
                self.filled(corners, paint, 1.0);
            }
        }
    }

    /// The whole as an SVG element with `title` and `finding` as alternative text; ids in it begin
    /// with `id`.
    pub fn finish(self, id: &str, title: &str, finding: &str) -> String {
        let (width, height) = (WIDTH * FINE, (self.height * FINE).ceil());
        let mut drawn = String::new();
        {
            let mut backend = SVGBackend::with_string(&mut drawn, (width as u32, height as u32));
            for shape in &self.shapes {
                draw(&mut backend, shape);
            }
            // A string takes whatever is written to it.
            let _ = backend.present();
        }
        let (title, finding) = (shortened(title, MOST_TEXT), shortened(finding, MOST_TEXT));
        let (title, finding) = (escaped(&title), escaped(&finding));
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" id=\"{id}\" class=\"figure\" role=\"img\" \
             aria-labelledby=\"{id}-title {id}-desc\" viewBox=\"0 0 {width} {height}\" width=\"100%\" \
             style=\"max-width:34rem\" font-family=\"system-ui,-apple-system,'Segoe UI',Roboto,\
             'Helvetica Neue',Arial,sans-serif\">\n<title id=\"{id}-title\">{title}</title>\n\
             <desc id=\"{id}-desc\">{finding}</desc>\n<rect width=\"{width}\" height=\"{height}\" \
             fill=\"{}\"/>\n",
            css(Paint::Paper)
        );
        rewrite(&drawn, &mut svg);
        svg
    }
}

/// The colour of a paint in the page.
fn css(paint: Paint) -> String {
    let code = Style::from(paint).code();
    decoded(&format!("{:02X}{:02X}{:02X}", code.0, code.1, code.2)).map(|d| d.0).unwrap_or_default()
}

fn whole((x, y): Place) -> (i32, i32) {
    ((x * FINE).round() as i32, (y * FINE).round() as i32)
}

fn draw(backend: &mut SVGBackend, shape: &Shape) {
    let stroke = |style: Style, opacity: f64, width: f64| ShapeStyle {
        color: style.code().mix(opacity),
        filled: true,
        stroke_width: (width * FINE).round() as u32,
    };
    let corners = |area: &Area| (whole((area.x, area.y)), whole((area.right(), area.bottom())));
    // A string takes whatever is written to it.
    let _ = match shape {
        Shape::Path { points, style, width } => {
            backend.draw_path(points.iter().map(|p| whole(*p)), &stroke(*style, 1.0, *width))
        }
        Shape::Filled { points, paint, opacity } => {
            let style = stroke((*paint).into(), *opacity, 1.0);
            backend.fill_polygon(points.iter().map(|p| whole(*p)), &style)
        }
        Shape::Rect { area, paint, opacity } => {
            let (from, to) = corners(area);
            backend.draw_rect(from, to, &stroke((*paint).into(), *opacity, 1.0), true)
        }
        Shape::Border { area, paint } => {
            let (from, to) = corners(area);
            backend.draw_rect(from, to, &stroke((*paint).into(), 1.0, 1.0), false)
        }
        Shape::Circle { at, radius, paint, filled } => {
            let style = stroke((*paint).into(), 1.0, 2.0);
            backend.draw_circle(whole(*at), (radius * FINE).round() as u32, &style, *filled)
        }
        Shape::Text { at, anchor, size, style, text } => {
            let font = FontDesc::new(
                FontFamily::SansSerif,
                size * FINE * PLOTTERS_TEXT,
                FontStyle::Normal,
            )
            .transform(FontTransform::None);
            let h = match anchor {
                Anchor::Start => HPos::Left,
                Anchor::Middle => HPos::Center,
                Anchor::End => HPos::Right,
            };
            let style = TextStyle {
                font,
                color: style.code().to_backend_color(),
                pos: Pos::new(h, VPos::Center),
            };
            backend.draw_text(text, &style, whole(*at))
        }
    };
}

/// Turns the lines that plotters wrote, without its root element, into ours.
///
/// Text from outside has no quotation mark in it (plotters escapes them), so an attribute that is
/// looked for by its quotation mark is an attribute.
fn rewrite(drawn: &str, into: &mut String) {
    let mut in_text = false;
    for line in drawn.lines().skip(1) {
        if in_text {
            into.push_str(line);
            if line == "</text>" {
                in_text = false;
                into.push('\n');
            }
            continue;
        }
        in_text = line.starts_with("<text ");
        element(line, into);
        if !in_text {
            into.push('\n');
        }
    }
    while into.ends_with('\n') {
        into.pop();
    }
}

/// One opening tag with its attributes.
fn element(line: &str, into: &mut String) {
    let Some((name, mut rest)) = line.split_once(' ') else {
        into.push_str(line);
        return;
    };
    let dots = name == "<polyline" && line.contains(&dots_code());
    into.push_str(if dots { "<path" } else { name });
    while let Some((key, after)) = rest.split_once("=\"") {
        let Some((value, after)) = after.split_once('"') else { break };
        rest = after;
        attribute(key.trim_start(), value, dots, into);
    }
    into.push_str(rest);
}

fn dots_code() -> String {
    let code = Paint::Ink.with(Look::Dots).code();
    format!("{:02X}{:02X}\"", code.1, code.2)
}

fn attribute(key: &str, value: &str, dots: bool, into: &mut String) {
    let dull = match key {
        "opacity" => value == "1",
        "stroke" => value == "none",
        "stroke-width" => value == "0",
        "text-anchor" => value == "start",
        "font-family" => true,
        _ => false,
    };
    if dull {
        return;
    }
    if let Some((colour, look)) = value.strip_prefix('#').and_then(decoded) {
        into.push_str(&format!(" {key}=\"{colour}\""));
        into.push_str(&looks_of(look));
        return;
    }
    match (key, value.parse::<f64>()) {
        ("font-size", Ok(size)) => into.push_str(&format!(" font-size=\"{}\"", size.round())),
        ("points", _) if dots => {
            into.push_str(" d=\"");
            for point in value.split_whitespace() {
                into.push_str(&format!("M{point}h0"));
            }
            into.push('"');
        }
        ("points", _) => into.push_str(&format!(" points=\"{}\"", value.trim_end())),
        _ => into.push_str(&format!(" {key}=\"{value}\"")),
    }
}

/// What a look adds to a shape.
fn looks_of(look: Look) -> String {
    match look {
        Look::Plain => String::new(),
        Look::Dashed => " stroke-dasharray=\"14 8\"".into(),
        Look::Dotted => " stroke-dasharray=\"2 7\" stroke-linecap=\"round\"".into(),
        Look::DashDotted => " stroke-dasharray=\"14 6 3 6\"".into(),
        Look::Halo => format!(
            " stroke=\"{}\" stroke-width=\"7\" stroke-linejoin=\"round\" paint-order=\"stroke\"",
            css(Paint::Paper)
        ),
        Look::Dots => " stroke-linecap=\"round\"".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(f: impl FnOnce(&mut Sheet)) -> String {
        let mut sheet = Sheet::new(100.0);
        f(&mut sheet);
        sheet.finish("x", "What?", "That.")
    }

    #[test]
    fn a_sheet_says_what_it_shows_and_scales_with_the_page() {
        let svg = drawn(|_| {});
        assert!(svg.contains("role=\"img\" aria-labelledby=\"x-title x-desc\""), "{svg}");
        assert!(svg.contains("<title id=\"x-title\">What?</title>"), "{svg}");
        assert!(svg.contains("<desc id=\"x-desc\">That.</desc>"), "{svg}");
        assert!(svg.contains("viewBox=\"0 0 1040 200\" width=\"100%\""), "{svg}");
        assert!(!svg.contains("width=\"1040\" height=\"200\" viewBox"), "{svg}");
        assert!(svg.contains("fill=\"var(--paper, #FFFFFF)\""), "{svg}");
    }

    #[test]
    fn shapes_have_colours_of_the_page_dashes_and_no_noise() {
        let svg = drawn(|sheet| {
            sheet.line((1.0, 2.0), (3.0, 4.0), Paint::Series(1).with(Look::Dashed), 2.0);
            sheet.text((10.0, 10.0), Anchor::End, TEXT, Paint::Ink, "a <b> & \"c\"");
            sheet.dots(vec![(1.0, 1.0), (2.0, 2.5)], Paint::Series(0), 2.0);
        });
        let lines: Vec<&str> = svg.lines().skip(4).collect();
        assert_eq!(
            lines,
            [
                "<polyline fill=\"none\" stroke=\"var(--s2, #D55E00)\" \
                 stroke-dasharray=\"14 8\" stroke-width=\"4\" points=\"2,4 6,8\"/>",
                "<text x=\"20\" y=\"20\" dy=\"0.5ex\" text-anchor=\"end\" font-size=\"32\" \
                 fill=\"var(--ink, #1F2328)\">a &lt;b&gt; &amp; &quot;c&quot;</text>",
                "<path fill=\"none\" stroke=\"var(--s1, #0072B2)\" stroke-linecap=\"round\" \
                 stroke-width=\"4\" d=\"M2,2h0M4,5h0\"/>",
                "</svg>",
            ]
        );
    }

    #[test]
    fn text_that_imitates_a_colour_or_a_tag_stays_text() {
        let svg = drawn(|sheet| {
            let hostile = "</text>\n<script> fill=\"#0400A5\" \u{202E}";
            sheet.text((0.0, 0.0), Anchor::Start, TEXT, Paint::Ink, hostile);
        });
        assert!(
            svg.contains("&lt;/text&gt; &lt;script&gt; fill=&quot;#0400A5&quot; \u{FFFD}</text>"),
            "{svg}"
        );
    }
}
