//! Compiles a `.cu` source for the host with g++, caches it by content, loads it.

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use breakeven_kernels::recording::CudaModule;
use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LOCAL, RTLD_NOW};
use sha2::{Digest, Sha256};

const HEADERS: &[(&str, &str)] = &[
    ("runtime.h", include_str!("runtime.h")),
    ("cuda.h", include_str!("cuda.h")),
    ("simd.h", include_str!("simd.h")),
    ("device.h", include_str!("../../kernels/device.h")),
    ("tiles.h", include_str!("../../kernels/tiles.h")),
];
const RUNTIME: &str = include_str!("runtime.cpp");
const COMMON: &[&str] = &["-std=c++17", "-fPIC", "-w", "-ffp-contract=off"];
/// Device code reinterprets memory freely; template statics must stay the library's own.
const KERNEL: &[&str] = &[
    "-O1",
    "-fvisibility=hidden",
    "-fno-gnu-unique",
    "-fno-strict-aliasing",
    "-fsanitize=bounds,alignment,shift-exponent,integer-divide-by-zero",
];

/// `ShimLaunch` of runtime.h.
#[repr(C)]
pub struct Launch {
    pub kernel: *const c_char,
    pub call: unsafe extern "C" fn(*mut *mut c_void),
    pub anchor: unsafe extern "C" fn() -> *mut c_void,
    pub arguments: *mut *mut c_void,
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub shared_bytes: u32,
    pub order: u32,
    pub seed: u64,
    pub buffers: *const NamedBuffer,
    pub buffer_count: u64,
}

/// `ShimBuffer` of runtime.h.
#[repr(C)]
pub struct NamedBuffer {
    pub name: *const c_char,
    pub start: *mut u8,
    pub bytes: u64,
}

/// The functions of runtime.cpp that the Rust side calls.
#[derive(Clone, Copy)]
pub struct Runtime {
    pub launch: unsafe extern "C" fn(*const Launch, *mut c_char, u64) -> i32,
    pub allocate: unsafe extern "C" fn(u64, i32) -> *mut u8,
    pub release: unsafe extern "C" fn(*mut u8, u64, i32) -> i32,
}

/// One kernel of a compiled module.
#[derive(Clone)]
pub struct Entry {
    /// A letter per parameter: r, w pointers; u, i, f scalars.
    pub kinds: String,
    /// Most threads of a block, from `__launch_bounds__` (1024 without).
    pub bounds: u32,
    pub call: unsafe extern "C" fn(*mut *mut c_void),
    pub anchor: unsafe extern "C" fn() -> *mut c_void,
}

/// Runs a compiler and returns its standard output, or its messages.
fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|e| format!("cannot start g++: {e}; install g++"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The cache folder with the headers, made once.
fn folder() -> Result<PathBuf, String> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    FOLDER.get_or_init(made_folder).clone()
}

/// A folder named after what it holds.
fn made_folder() -> Result<PathBuf, String> {
    let mut hash = Sha256::new();
    for (_, text) in HEADERS {
        hash.update(text);
    }
    hash.update(RUNTIME);
    hash.update(KERNEL.join(" "));
    let name = format!("shim-{}", &hex(hash.finalize().as_slice())[..16]);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    for (name, text) in HEADERS {
        replace(&folder.join(name), text)?;
    }
    Ok(folder)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Writes `path` in one step, so that another process or thread never reads half of it.
fn replace(path: &Path, text: &str) -> Result<(), String> {
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let fresh = path.with_extension(format!("{}-{number}.tmp", std::process::id()));
    std::fs::write(&fresh, text)
        .and_then(|()| std::fs::rename(&fresh, path))
        .map_err(|e| format!("{}: {e}", path.display()))
}

/// Loads a library for the life of the process; nothing of it is ever freed.
fn load(path: &Path, scope: i32) -> Result<&'static Library, String> {
    // SAFETY: the library was compiled from this repository's sources; its only initialiser
    // installs fault handlers that chain to the previous ones.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | scope) };
    Ok(Box::leak(Box::new(library.map_err(|e| format!("{}: {e}", path.display()))?)))
}

/// The runtime, compiled and loaded once.
pub fn runtime() -> Result<Runtime, String> {
    static LOADED: OnceLock<Result<Runtime, String>> = OnceLock::new();
    LOADED
        .get_or_init(|| {
            let folder = folder()?;
            let library = folder.join("runtime.so");
            if !library.exists() {
                let source = folder.join("runtime.cpp");
                replace(&source, RUNTIME)?;
                let fresh = folder.join(format!("runtime.{}.so", std::process::id()));
                run(Command::new("g++")
                    .args(COMMON)
                    .args(["-O2", "-shared", "-o"])
                    .arg(&fresh)
                    .arg(&source))?;
                std::fs::rename(&fresh, &library)
                    .map_err(|e| format!("{}: {e}", library.display()))?;
            }
            let library = load(&library, RTLD_GLOBAL)?;
            // SAFETY: the types repeat the declarations of runtime.h.
            let found = unsafe {
                Runtime {
                    launch: *library.get(b"shim_launch\0").map_err(|e| e.to_string())?,
                    allocate: *library.get(b"shim_allocate\0").map_err(|e| e.to_string())?,
                    release: *library.get(b"shim_release\0").map_err(|e| e.to_string())?,
                }
            };
            Ok(found)
        })
        .clone()
}

/// Kernels of preprocessed CUDA text: name and the first operand of `__launch_bounds__`.
fn entries(text: &str) -> Vec<(String, String)> {
    const BOUNDS: &str = "__attribute__((shim_bounds(";
    let mut found = Vec::new();
    for declaration in text.split("__attribute__((shim_global))").skip(1) {
        let mut bounds = "1024".to_owned();
        let mut rest = declaration.to_owned();
        if let Some(start) = rest.find(BOUNDS).filter(|s| *s < rest.find('{').unwrap_or(rest.len()))
        {
            let mut depth = 1;
            let inner = &rest[start + BOUNDS.len()..];
            let close = |c: char| {
                depth += i32::from(c == '(') - i32::from(c == ')');
                depth == 0
            };
            let end = inner.find(close).unwrap_or(inner.len());
            bounds = inner[..end].split(',').next().unwrap_or_default().trim().to_owned();
            rest = format!("{} {}", &rest[..start], inner[end..].trim_start_matches(')'));
        }
        let head = rest.split('(').next().unwrap_or_default();
        if let Some(name) = head.split_whitespace().last() {
            found.push((name.to_owned(), bounds));
        }
    }
    found
}

/// Compiles a module (or finds it in the cache) and looks its kernels up.
fn compile(module: &CudaModule) -> Result<HashMap<String, Entry>, String> {
    let folder = folder()?;
    let digest = hex(Sha256::digest(module.source).as_slice());
    let stem = format!("{}-{}", module.name.replace('/', "_"), &digest[..16]);
    let source = folder.join(format!("{stem}.cu"));
    replace(&source, module.source)?;
    let unit = |footer: &str| {
        format!("#include \"cuda.h\"\n#include \"device.h\"\n#include \"{stem}.cu\"\n{footer}")
    };
    let wrapper = folder.join(format!("{stem}.cpp"));
    replace(&wrapper, &unit(""))?;
    let text = run(Command::new("g++").args(COMMON).args(["-E", "-P"]).arg(&wrapper))?;
    let entries = entries(&text);
    if entries.is_empty() {
        return Err(format!("{}: no __global__ function", module.name));
    }
    let library = folder.join(format!("{stem}.so"));
    if !library.exists() {
        let footer: String = entries
            .iter()
            .map(|(name, bounds)| format!("SHIM_ENTRY({name}, ({bounds}))\n"))
            .collect();
        replace(&wrapper, &unit(&footer))?;
        let object = folder.join(format!("{stem}.{}.o", std::process::id()));
        let fresh = object.with_extension("so");
        run(Command::new("g++")
            .args(COMMON)
            .args(KERNEL)
            .args(["-c", "-o"])
            .arg(&object)
            .arg(&wrapper))?;
        // Linked without -fsanitize: the runtime answers its calls, not libubsan.
        run(Command::new("g++").args(["-shared", "-o"]).arg(&fresh).arg(&object))?;
        std::fs::rename(&fresh, &library)
            .and_then(|()| std::fs::remove_file(&object))
            .map_err(|e| format!("{}: {e}", library.display()))?;
    }
    let library = load(&library, RTLD_LOCAL)?;
    entries.iter().map(|(name, _)| Ok((name.clone(), look_up(library, name)?))).collect()
}

fn look_up(library: &Library, name: &str) -> Result<Entry, String> {
    let missing = |e: libloading::Error| format!("kernel {name}: {e}");
    // SAFETY: SHIM_ENTRY in cuda.h defines these three functions with these types.
    unsafe {
        let kinds: unsafe extern "C" fn() -> *const c_char =
            *library.get(format!("shim_kinds_{name}\0").as_bytes()).map_err(missing)?;
        let bounds: unsafe extern "C" fn() -> u32 =
            *library.get(format!("shim_bounds_{name}\0").as_bytes()).map_err(missing)?;
        Ok(Entry {
            kinds: CStr::from_ptr(kinds()).to_string_lossy().into_owned(),
            bounds: bounds(),
            call: *library.get(format!("shim_call_{name}\0").as_bytes()).map_err(missing)?,
            anchor: *library.get(b"shim_anchor\0").map_err(missing)?,
        })
    }
}

type Loaded = Result<Arc<HashMap<String, Entry>>, String>;

/// The kernels of `module`, compiled at most once a process.
pub fn kernels(module: &CudaModule) -> Loaded {
    static CACHE: Mutex<Option<HashMap<String, Arc<OnceLock<Loaded>>>>> = Mutex::new(None);
    runtime()?;
    let slot = {
        let mut cache = CACHE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(cache.get_or_insert_default().entry(module.source.to_owned()).or_default())
    };
    slot.get_or_init(|| compile(module).map(Arc::new)).clone()
}
