//! Objects as YAML, and text of several documents.

use serde::Serialize;

/// An object of a CRD: what Kubernetes' own types have from their crate.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Object<S> {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub metadata: Metadata,
    pub spec: S,
}

/// Name of an object and, where it has one, its namespace.
#[derive(Serialize)]
pub(super) struct Metadata {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

impl Metadata {
    pub fn of(name: &str) -> Self {
        Self { name: name.to_owned(), namespace: None }
    }
}

/// `objects` as documents below `header`.
pub(super) fn documents(header: &str, objects: &[String]) -> String {
    format!("{header}{}", objects.join("---\n"))
}

/// An object as YAML, in the order of its type's fields. Those of Kubernetes hold nothing that
/// cannot be written.
pub(super) fn object(object: &impl Serialize) -> String {
    let text = yaml_serde::to_string(object).unwrap_or_else(|error| format!("# {error}"));
    format!("{}\n", text.trim_end())
}

/// The documents of a YAML text, each with the marker line that begins it: a line of `---` ends a
/// document wherever it stands, even in a block of text, and so does one of `...` (YAML 1.2, 9.2).
/// Comments and directives before a marker belong to the document that follows.
pub(super) fn split_documents(text: &str) -> Vec<&str> {
    let marks = |line: &str, mark: &str| {
        line.strip_prefix(mark)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r']))
    };
    // Whether the document has anything in it, and whether its marker was seen.
    let (mut starts, mut at, mut content, mut marked) = (vec![0], 0, false, false);
    for line in text.split_inclusive('\n') {
        let bare = line.trim();
        let marker = marks(line, "---");
        if marker && (content || marked) {
            starts.push(at);
            content = false;
        } else if marks(line, "...") && content {
            starts.push(at + line.len());
            (content, marked) = (false, false);
        }
        marked |= marker;
        at += line.len();
        let nothing = bare.is_empty() || bare.starts_with(['#', '%']) || marks(line, "...");
        content |= !nothing && bare != "---";
    }
    if starts.len() > 1 && starts.last() == Some(&text.len()) {
        starts.pop();
    }
    starts.push(text.len());
    starts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

#[cfg(test)]
mod tests {
    use super::split_documents;

    #[test]
    fn documents_end_where_yaml_says_and_nothing_is_lost() {
        for (text, number) in [
            ("a: 1\n", 1),
            ("---\na: 1\n---\nb: 2\n", 2),
            ("# head\n---\na: 1\n", 1),
            ("%YAML 1.2\n---\na: 1\n", 1),
            ("a: 1\n...\n---\nb: 2\n...\n", 2),
            ("a: |\n  x\n--- # next\nb: 2", 2),
            ("a: ---x\n", 1),
            ("---\n---\na: 1\n", 2),
            ("", 1),
        ] {
            let parts = split_documents(text);
            assert_eq!(parts.len(), number, "{text:?}: {parts:?}");
            assert_eq!(parts.concat(), text);
        }
    }
}
