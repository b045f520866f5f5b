//! Changes to a YAML document that leave all else as it is, comments and order too.

use std::str::FromStr;

use yaml_edit::{Document, YamlFile};
use yaml_serde::Value;

/// A step from a value to one inside it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

impl Step {
    pub fn key(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

/// What is at `path` afterwards; `None`: nothing. An index beyond a list's end appends.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    pub path: Vec<Step>,
    pub to: Option<Value>,
}

/// What is at `path` in `value`.
pub(super) fn at<'v>(value: &'v Value, path: &[Step]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get(key.as_str()),
        Step::Index(index) => value.get(*index),
    })
}

/// `text`, which says `value`, with the changes made; the same text where there are none.
///
/// # Errors
/// Text in which they cannot be made without changing something else, as where aliases stand.
pub(super) fn apply(text: &str, value: &Value, changes: &[Change]) -> Result<String, String> {
    if changes.is_empty() {
        return Ok(text.to_owned());
    }
    let parsed = YamlFile::from_str(text).map_err(|error| error.to_string())?;
    let root = parsed.document().and_then(|document| document.as_mapping());
    let root = Node::Map(root.ok_or("it is no mapping")?);
    let mut expected = value.clone();
    for change in changes {
        change_value(&mut expected, change);
        change_text(root.clone(), change).ok_or_else(unchangeable)??;
    }
    let patched = parsed.to_string();
    let after: Value = yaml_serde::from_str(&patched).map_err(|_| unchangeable())?;
    if after == expected { Ok(patched) } else { Err(unchangeable()) }
}

fn unchangeable() -> String {
    "it could not be changed without changing something else; write its nodeSelector, tolerations and \
     resources out (no anchors or aliases), or place it by hand"
        .into()
}

fn change_value(value: &mut Value, change: &Change) {
    let Some((last, above)) = change.path.split_last() else { return };
    let mut parent = value;
    for step in above {
        let next = match step {
            Step::Key(key) => parent.get_mut(key.as_str()),
            Step::Index(index) => parent.get_mut(*index),
        };
        let Some(next) = next else { return };
        parent = next;
    }
    match (parent, last, &change.to) {
        (Value::Mapping(map), Step::Key(key), Some(to)) => {
            map.insert(key.as_str().into(), to.clone());
        }
        (Value::Mapping(map), Step::Key(key), None) => {
            map.remove(key.as_str());
        }
        (Value::Sequence(list), Step::Index(_), Some(to)) => list.push(to.clone()),
        (Value::Sequence(list), Step::Index(index), None) if *index < list.len() => {
            list.remove(*index);
        }
        _ => {}
    }
}

#[derive(Clone)]
enum Node {
    Map(yaml_edit::Mapping),
    List(yaml_edit::Sequence),
}

/// `None` where the text has no such place, as behind an alias.
fn change_text(root: Node, change: &Change) -> Option<Result<(), String>> {
    let (last, above) = change.path.split_last()?;
    let parent = above.iter().try_fold(root, |node, step| match (node, step) {
        (Node::Map(map), Step::Key(key)) => {
            let list = || map.get_sequence(key.as_str()).map(Node::List);
            map.get_mapping(key.as_str()).map(Node::Map).or_else(list)
        }
        (Node::List(list), Step::Index(index)) => {
            list.get(*index)?.as_mapping().cloned().map(Node::Map)
        }
        _ => None,
    })?;
    match (parent, last, &change.to) {
        (Node::Map(map), Step::Key(key), None) => map.remove(key.as_str()).map(|_| Ok(())),
        (Node::Map(map), Step::Key(key), Some(to)) => {
            match to {
                Value::String(text) => map.set(key.as_str(), text.as_str()),
                Value::Number(number) => map.set(key.as_str(), number.as_i64()?),
                other => match snippet(other) {
                    Ok(snippet) => map.set(key.as_str(), snippet),
                    Err(error) => return Some(Err(error)),
                },
            }
            Some(Ok(()))
        }
        (Node::List(list), Step::Index(index), None) => list.remove(*index).map(|_| Ok(())),
        (Node::List(list), Step::Index(_), Some(to)) => match snippet(to) {
            Ok(snippet) => {
                list.push(snippet);
                Some(Ok(()))
            }
            Err(error) => Some(Err(error)),
        },
        _ => None,
    }
}

fn snippet(value: &Value) -> Result<Document, String> {
    let text = yaml_serde::to_string(value).map_err(|error| error.to_string())?;
    Document::from_str(&text).map_err(|error| error.to_string())
}
