//! External programs as data: what to start, and what came out of it. Starting, timing and killing
//! belong to the backend.

/// What stands in words of a [`CommandSpec`] for the number of threads of the device: only the
/// backend knows it.
pub const THREADS: &str = "{threads}";

/// A program of the user's own, ready to be started.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandSpec {
    /// Program and arguments; [`THREADS`] in them is still to be filled in.
    pub words: Vec<String>,
    /// Folder that it runs in; `None` for the present one.
    pub folder: Option<String>,
    /// Environment variables added to those that are there.
    pub environment: Vec<(String, String)>,
    /// File in `folder` that holds its output and is removed before each run; `None` where the
    /// output is what it writes to standard output.
    pub output_file: Option<String>,
    /// Program and arguments that judge the output: status 0 for a right one.
    pub checker: Option<Vec<String>>,
    /// Seconds after which a run is stopped and counts as failed.
    pub time_limit_s: f64,
}

impl CommandSpec {
    /// The program's name as written, without its folder: for messages.
    pub fn name(&self) -> &str {
        program_name(&self.words)
    }
}

/// The first of `words` without folders.
pub fn program_name(words: &[String]) -> &str {
    let first = words.first().map_or("", String::as_str);
    first.rsplit('/').next().unwrap_or(first)
}

/// The output of one run. It may be larger than memory, so only its digest is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Produced {
    /// SHA-256 of all bytes.
    pub sha256: [u8; 32],
    /// Number of bytes.
    pub bytes: u64,
    /// What the checker said: `None` where there is none.
    pub checker: Option<Result<(), String>>,
}

impl Produced {
    /// In the form in which every family's outputs travel: digest, length (little endian), the
    /// checker's word.
    pub fn to_outputs(&self) -> Vec<Vec<u8>> {
        let word = match &self.checker {
            None => Vec::new(),
            Some(Ok(())) => vec![0],
            Some(Err(problem)) => [&[1], problem.as_bytes()].concat(),
        };
        vec![self.sha256.to_vec(), self.bytes.to_le_bytes().to_vec(), word]
    }

    /// The reverse; `None` where the outputs are no program's.
    pub fn from_outputs(outputs: &[Vec<u8>]) -> Option<Self> {
        let [sha256, bytes, word] = outputs else { return None };
        let checker = match word.split_first() {
            None => None,
            Some((0, _)) => Some(Ok(())),
            Some((_, problem)) => Some(Err(String::from_utf8_lossy(problem).into_owned())),
        };
        Some(Self {
            sha256: sha256.as_slice().try_into().ok()?,
            bytes: u64::from_le_bytes(bytes.as_slice().try_into().ok()?),
            checker,
        })
    }

    /// The digest in hexadecimal.
    pub fn hex(&self) -> String {
        hex(&self.sha256)
    }
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
