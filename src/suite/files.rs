//! Input files named in cases, looked up in the folder of the suite or workload.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use breakeven_kernels::work::Files;

/// Opens files relative to the folders of the suite and workload files in use.
#[derive(Debug, Clone, Default)]
pub struct FolderFiles {
    folders: Vec<PathBuf>,
}

impl FolderFiles {
    /// Looks in `folders`; an empty path is the current folder. Duplicates are dropped.
    pub fn new(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut unique = Vec::new();
        for folder in folders {
            if !unique.contains(&folder) {
                unique.push(folder);
            }
        }
        Self { folders: unique }
    }

    /// The one file that `name` means.
    fn resolve(&self, name: &str) -> io::Result<PathBuf> {
        if Path::new(name).is_absolute() {
            return Ok(PathBuf::from(name));
        }
        let found: Vec<PathBuf> =
            self.folders.iter().map(|f| f.join(name)).filter(|p| p.exists()).collect();
        match (&found[..], &self.folders[..]) {
            ([one], _) => Ok(one.clone()),
            ([], []) => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "built-in suites and workloads read no files; name it in a .toml file of your own",
            )),
            ([], [folder, ..]) => Ok(folder.join(name)),
            ([first, second, ..], _) => Err(io::Error::other(format!(
                "both {} and {} exist; rename one, or run the files one by one",
                first.display(),
                second.display()
            ))),
        }
    }
}

impl Files for FolderFiles {
    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        let path = self.resolve(name)?;
        let file = File::open(&path)
            // The family names the file as written; say only where it was looked for.
            .map_err(|e| match path.as_os_str() == name {
                true => e,
                false => io::Error::new(e.kind(), format!("{e} (looked for {})", path.display())),
            })?;
        Ok(Box::new(file))
    }

    fn locate(&self, name: &str) -> io::Result<String> {
        let path = std::fs::canonicalize(self.resolve(name)?)?;
        path.into_os_string().into_string().map_err(|path| {
            let problem = format!("{} is not UTF-8; rename it", path.display());
            io::Error::new(io::ErrorKind::InvalidInput, problem)
        })
    }
}
