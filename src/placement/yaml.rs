//! Objects as YAML, and text of several documents.

use serde::Serialize;

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
/// document wherever it stands, even in a block of text (YAML 1.2, 9.2).
pub fn split_documents(text: &str) -> Vec<&str> {
    let mut starts = vec![0];
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let marker = line
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r']));
        if marker && at > 0 {
            starts.push(at);
        }
        at += line.len();
    }
    starts.push(text.len());
    starts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}
