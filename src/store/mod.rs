//! Where records of many machines lie: a folder, or an object store (Azure Blob, S3, GCS) named by a
//! URL. Objects are whole files under keys such as `fleet/target/0.jsonl`.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

#[cfg(feature = "store")]
mod cloud;

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL is of no kind that is known, or not complete.
    #[error(
        "{url}: {message}; give az://CONTAINER/PATH, s3://BUCKET/PATH, gs://BUCKET/PATH or a folder"
    )]
    Url {
        /// As given.
        url: String,
        /// What is wrong with it.
        message: String,
    },
    /// This build has no object stores.
    #[error(
        "{0}: this build reads folders only; build with `cargo build --release --features fleet`"
    )]
    NotBuilt(String),
    /// An object could not be read or written.
    #[error("{place}: {message}")]
    Failed {
        /// The object or folder.
        place: String,
        /// What went wrong.
        message: String,
    },
}

/// An object as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its key below the store's root.
    pub key: String,
    /// Its size.
    pub bytes: u64,
}

/// Objects as they are listed.
pub type Listing<'s> = Box<dyn Iterator<Item = Result<Object, StoreError>> + Send + 's>;

/// A place for objects.
pub struct Store {
    place: Place,
    name: String,
}

enum Place {
    Folder(PathBuf),
    #[cfg(feature = "store")]
    Cloud(cloud::Cloud),
}

/// Whether `place` names an object store: a URL, not a path.
pub fn is_url(place: &str) -> bool {
    place.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '+')
    })
}

impl Store {
    /// The store at `place`: a URL or a folder, which need not be there yet. Credentials come from the
    /// environment, by the names that each cloud's own tools use.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(place: &str) -> Result<Self, StoreError> {
        if !is_url(place) {
            let folder = PathBuf::from(place);
            return Ok(Self { place: Place::Folder(folder), name: place.to_owned() });
        }
        if let Some(path) = place.strip_prefix("file://") {
            return Ok(Self { place: Place::Folder(path.into()), name: place.to_owned() });
        }
        #[cfg(feature = "store")]
        {
            let cloud = cloud::Cloud::open(place)?;
            Ok(Self { place: Place::Cloud(cloud), name: place.trim_end_matches('/').to_owned() })
        }
        #[cfg(not(feature = "store"))]
        Err(StoreError::NotBuilt(place.to_owned()))
    }

    /// Whether pods in a cluster can reach it.
    pub fn is_remote(&self) -> bool {
        !matches!(self.place, Place::Folder(_))
    }

    /// What an object is called in messages.
    pub fn told(&self, key: &str) -> String {
        format!("{}/{key}", self.name)
    }

    /// All objects below `prefix` (a folder's name, or empty for all), sorted by key.
    ///
    /// # Errors
    /// [`StoreError::Failed`]; a folder that is not there is empty.
    pub fn list(&self, prefix: &str) -> Result<Vec<Object>, StoreError> {
        let mut objects: Vec<Object> = self.stream(prefix).collect::<Result<_, _>>()?;
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }

    /// The same as they come, in no order: of an object store page by page, while the first ones are
    /// worked on.
    pub fn stream(&self, prefix: &str) -> Listing<'_> {
        match &self.place {
            Place::Folder(root) => {
                let folder = root.join(prefix);
                let mut objects = Vec::new();
                let walked =
                    if folder.exists() { walk(root, &folder, &mut objects) } else { Ok(()) };
                match walked {
                    Ok(()) => Box::new(objects.into_iter().map(Ok)),
                    Err(error) => Box::new(std::iter::once(Err(self.failed(prefix, &error)))),
                }
            }
            #[cfg(feature = "store")]
            Place::Cloud(cloud) => {
                let prefix = prefix.to_owned();
                let listed = cloud.stream(&prefix);
                Box::new(listed.map(move |o| o.map_err(|error| self.failed(&prefix, &error))))
            }
        }
    }

    /// The object under `key`; `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError::Failed`].
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match &self.place {
            Place::Folder(root) => match fs::read(root.join(key)) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(self.failed(key, &error)),
            },
            #[cfg(feature = "store")]
            Place::Cloud(cloud) => cloud.get(key).map_err(|error| self.failed(key, &error)),
        }
    }

    /// Puts `bytes` under `key`, whole or not at all, over what was there.
    ///
    /// # Errors
    /// [`StoreError::Failed`].
    pub fn put(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        match &self.place {
            Place::Folder(root) => {
                replace(&root.join(key), bytes).map_err(|error| self.failed(key, &error))
            }
            #[cfg(feature = "store")]
            Place::Cloud(cloud) => cloud.put(key, bytes).map_err(|error| self.failed(key, &error)),
        }
    }

    /// Deletes the object under `key`; one that is not there is deleted.
    ///
    /// # Errors
    /// [`StoreError::Failed`].
    pub fn delete(&self, key: &str) -> Result<(), StoreError> {
        match &self.place {
            Place::Folder(root) => match fs::remove_file(root.join(key)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(self.failed(key, &error))
                }
                _ => Ok(()),
            },
            #[cfg(feature = "store")]
            Place::Cloud(cloud) => cloud.delete(key).map_err(|error| self.failed(key, &error)),
        }
    }

    fn failed(&self, key: &str, error: &dyn std::fmt::Display) -> StoreError {
        StoreError::Failed { place: self.told(key), message: error.to_string() }
    }
}

/// All files below `folder`, by their path below `root`. Links to folders are not followed.
fn walk(root: &Path, folder: &Path, into: &mut Vec<Object>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            walk(root, &path, into)?;
        } else if let Ok(below) = path.strip_prefix(root) {
            let key = below.to_string_lossy().replace('\\', "/");
            into.push(Object { key, bytes: entry.metadata()?.len() });
        }
    }
    Ok(())
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_told_from_paths() {
        assert!(is_url("az://records/fleet") && is_url("https://a.blob.core.windows.net/c"));
        assert!(
            !is_url("records/fleet") && !is_url("C:/x") && !is_url("://x") && !is_url("a b://x")
        );
    }

    #[test]
    fn a_folder_keeps_objects_whole() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(&folder.path().join("new").to_string_lossy()).expect("a folder");
        assert_eq!(store.list("").expect("an empty store"), []);
        assert_eq!(store.get("a/0.jsonl").expect("readable"), None);
        store.put("a/0.jsonl", b"one").expect("writable");
        store.put("a/0.jsonl", b"three").expect("writable");
        store.put("b/1.jsonl", b"x").expect("writable");
        let keys = |prefix| store.list(prefix).expect("readable");
        let object = |key: &str, bytes| Object { key: key.into(), bytes };
        assert_eq!(keys(""), [object("a/0.jsonl", 5), object("b/1.jsonl", 1)]);
        assert_eq!(keys("a"), [object("a/0.jsonl", 5)]);
        assert_eq!(store.get("a/0.jsonl").expect("readable").as_deref(), Some(&b"three"[..]));
        store.delete("a/0.jsonl").expect("writable");
        store.delete("a/0.jsonl").expect("gone already");
        assert_eq!(keys("a"), []);
    }
}
