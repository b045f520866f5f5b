//! Object stores through the `object_store` crate; asynchronous inside, not outside.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;

use futures::StreamExt;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutPayload, parse_url_opts};
use tokio::runtime::{Builder, Runtime};
use url::Url;

use super::{Object, StoreError};

/// Environment variables that say how stores are reached begin so; others of the same words, such as
/// TIMEOUT, mean something else.
const VARIABLES: &[&str] = &["AZURE_", "AWS_", "GOOGLE_"];

/// Objects that are listed before anybody takes them.
const LISTED: usize = 1024;

/// A bucket or container, from a path on.
pub struct Cloud {
    runtime: Runtime,
    store: Arc<dyn ObjectStore>,
    root: Path,
}

impl Cloud {
    /// The store that `place` names.
    ///
    /// # Errors
    /// [`StoreError::Url`].
    pub fn open(place: &str) -> Result<Self, StoreError> {
        let wrong = |message: String| StoreError::Url { url: place.to_owned(), message };
        let url = Url::parse(place).map_err(|error| wrong(error.to_string()))?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|error| wrong(error.to_string()))?;
        // One provider of cryptography for all that speaks TLS here; it may be set already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let named = |name: &str| VARIABLES.iter().any(|begin| name.starts_with(begin));
        let options = std::env::vars_os().filter_map(|(name, value)| {
            let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
            named(&name).then_some((name, value))
        });
        let (store, root) =
            parse_url_opts(&url, options).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { runtime, store: store.into(), root })
    }

    /// Objects below `prefix` as pages of them come; a page is listed while the last one is taken.
    pub fn stream(
        &self,
        prefix: &str,
    ) -> impl Iterator<Item = Result<Object, Error>> + Send + use<> {
        let (to, listed) = sync_channel(LISTED);
        let (handle, root) = (self.runtime.handle().clone(), self.root.clone());
        let mut pages = self.store.list(Some(&self.path(prefix)));
        // A thread, because a worker of the runtime that waits for a reader would hold up all others.
        thread::spawn(move || {
            while let Some(found) = handle.block_on(pages.next()) {
                let object =
                    found.map(|m| Object { key: below(&root, &m.location), bytes: m.size });
                if to.send(object).is_err() {
                    return;
                }
            }
        });
        listed.into_iter()
    }

    /// # Errors
    /// The store's own.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let path = self.path(key);
        let read = async { self.store.get(&path).await?.bytes().await };
        match self.runtime.block_on(read) {
            Ok(bytes) => Ok(Some(bytes.to_vec())),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// # Errors
    /// The store's own.
    pub fn put(&self, key: &str, bytes: &[u8]) -> Result<(), Error> {
        let payload = PutPayload::from(bytes.to_vec());
        self.runtime.block_on(self.store.put(&self.path(key), payload)).map(|_| ())
    }

    /// # Errors
    /// The store's own.
    pub fn delete(&self, key: &str) -> Result<(), Error> {
        match self.runtime.block_on(self.store.delete(&self.path(key))) {
            Err(Error::NotFound { .. }) => Ok(()),
            other => other,
        }
    }

    fn path(&self, key: &str) -> Path {
        key.split('/')
            .filter(|part| !part.is_empty())
            .fold(self.root.clone(), |path, part| path.join(part))
    }
}

/// A path below `root`.
fn below(root: &Path, path: &Path) -> String {
    let rest = path.as_ref().strip_prefix(root.as_ref()).unwrap_or(path.as_ref());
    rest.trim_start_matches('/').to_owned()
}
