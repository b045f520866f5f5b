//! Any bytes as a video: whatever is read of them, the fast chain and the reference write the same
//! file, and reading them picture by picture finds what reading them at once does.
#![no_main]

use std::io::{self, Cursor, Read};

use breakeven_kernels::params::{Params, Value};
use breakeven_kernels::transcode::Transcode;
use breakeven_kernels::transcode::container::{self, Damaged};
use breakeven_kernels::transcode::stream::{VideoReader, parsed};
use breakeven_kernels::work::{
    Case, DeviceInfo, DeviceKind, Family, Files, Language, Program, Tuning,
};
use libfuzzer_sys::fuzz_target;

/// Larger pictures only take longer.
const MOST_SAMPLES: usize = 1 << 16;

struct Given(Vec<u8>);

impl Files for Given {
    fn open(&self, _name: &str) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Cursor::new(self.0.clone())))
    }
}

fuzz_target!(|data: &[u8]| {
    let Ok(movie) = container::parse(data, Damaged::Skip) else {
        let _ = pictures(data);
        return;
    };
    let layout = movie.frames[0].layout;
    if layout.width * layout.height * movie.frames.len() > MOST_SAMPLES {
        return;
    }
    assert_eq!(pictures(data), Some(movie.present.len()), "pictures of a stream");
    for damaged in ["fail", "skip"] {
        let Ok(case) = case(data, damaged) else { continue };
        let Ok(input) = case.input(0) else { continue };
        let implementation = &Transcode.implementations()[0];
        let program = input.program(implementation, &cpu(), &Tuning::default());
        let Ok(Program::Native(mut native)) = program else { panic!("no program") };
        native.run().expect("what was accepted can be transcoded");
        input.check(&native.outputs()).expect("the reference writes the same");
    }
});

/// Pictures of the file as a stream, the damaged ones as well; `None` where it is refused.
fn pictures(data: &[u8]) -> Option<usize> {
    let mut reader = VideoReader::open(Box::new(Cursor::new(data.to_vec()))).ok()?;
    let mut count = 0;
    while let Some(picture) = reader.picture().ok()? {
        let _ = parsed(&picture);
        count += 1;
    }
    Some(count)
}

fn case(data: &[u8], damaged: &str) -> Result<Box<dyn Case>, String> {
    let mut input = Params::default();
    input.set("video", Value::Text("video".into()));
    let mut params = Params::default();
    params.set("input", Value::Table(input));
    params.set("damaged", Value::Text(damaged.into()));
    Transcode.case(&params, &Given(data.to_vec())).map_err(|error| error.to_string())
}

fn cpu() -> DeviceInfo {
    DeviceInfo {
        id: "cpu".into(),
        backend: "cpu".into(),
        kind: DeviceKind::Cpu,
        name: String::new(),
        vendor: None,
        architecture: None,
        driver: None,
        memory_bytes: None,
        threads: None,
        cores: None,
        compute_units: None,
        compute_capability: None,
        cache_bytes: None,
        languages: vec![Language::Native],
        libraries: vec![],
        features: vec![],
        max_workgroup_invocations: None,
        max_shared_bytes: None,
        max_buffer_bytes: None,
    }
}
