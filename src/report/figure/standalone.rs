//! A picture as a file of its own.

use std::collections::BTreeMap;

use super::paint;

/// How a colour of the page begins: in an attribute, which text from outside cannot be.
const VARIABLE: &str = "=\"var(--";

/// `svg` with colours instead of variables, and a style that gives the dark ones where asked for.
pub fn file(svg: &str) -> String {
    let mut colours: BTreeMap<&str, &str> = BTreeMap::new();
    let mut body = String::with_capacity(svg.len());
    let mut rest = svg;
    while let Some((before, after)) = rest.split_once(VARIABLE) {
        body.push_str(before);
        let parsed = after.split_once(")\"").and_then(|(inside, after)| {
            let (name, colour) = inside.split_once(',')?;
            Some((name, colour.trim(), after))
        });
        let Some((name, colour, after)) = parsed else {
            body.push_str(VARIABLE);
            rest = after;
            continue;
        };
        if let Some(dark) = paint::dark(name) {
            colours.insert(colour, dark);
        }
        body.push_str(&format!("=\"{colour}\""));
        rest = after;
    }
    body.push_str(rest);
    let rules: String = colours
        .iter()
        .map(|(light, dark)| {
            format!("[fill=\"{light}\"]{{fill:{dark}}}[stroke=\"{light}\"]{{stroke:{dark}}}")
        })
        .collect();
    let style =
        format!("<style>@media screen and (prefers-color-scheme:dark){{{rules}}}</style>\n</svg>");
    let body = body.strip_suffix("</svg>").unwrap_or(&body);
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}{style}\n")
}

#[cfg(test)]
mod tests {
    use super::file;

    #[test]
    fn a_file_has_its_colours_written_out_and_dark_ones_beside_them() {
        let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\"><rect fill=\"var(--paper, #FFFFFF)\"/>\
                   <text>=&quot;var(--s1, #0072B2)&quot;</text></svg>";
        assert_eq!(
            file(svg),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\">\
             <rect fill=\"#FFFFFF\"/><text>=&quot;var(--s1, #0072B2)&quot;</text>\
             <style>@media screen and (prefers-color-scheme:dark){[fill=\"#FFFFFF\"]{fill:#0D1117}\
             [stroke=\"#FFFFFF\"]{stroke:#0D1117}}</style>\n</svg>\n"
        );
    }
}
