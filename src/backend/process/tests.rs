//! Real processes: what is measured of them, and how the odd ones end.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use breakeven_kernels::process::{CommandSpec, Produced};
use breakeven_kernels::work::{DeviceInfo, DeviceKind, Language, Program};

use super::{Process, startable};
use crate::backend::{Backend, BackendError, Mode, Session, Timing};

static NEVER: AtomicBool = AtomicBool::new(false);

/// A device as another backend would have found it.
fn device(id: &str, kind: DeviceKind) -> DeviceInfo {
    DeviceInfo {
        id: id.into(),
        backend: id.split(':').next().unwrap_or(id).into(),
        kind,
        name: format!("some {id}"),
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
        libraries: vec!["a library".into()],
        features: vec![],
        max_workgroup_invocations: None,
        max_shared_bytes: None,
        max_buffer_bytes: None,
    }
}

fn shell(folder: &Path, script: &str) -> CommandSpec {
    CommandSpec {
        words: ["sh", "-c", script].map(str::to_owned).into(),
        folder: Some(folder.display().to_string()),
        environment: Vec::new(),
        output_file: None,
        checker: None,
        time_limit_s: 60.0,
    }
}

/// Loads the command and hands over its session.
fn with<T>(
    command: CommandSpec,
    interrupted: &'static AtomicBool,
    act: impl FnOnce(&mut dyn Session) -> T,
) -> T {
    let process = Process::beside(&[device("cpu", DeviceKind::Cpu)], interrupted);
    let mut device = process.open("process:cpu").expect("there is a CPU");
    let mut session = device.load(Program::Command(command)).unwrap_or_else(|e| panic!("{e}"));
    act(session.as_mut())
}

/// One run whose output is looked at.
fn once(command: CommandSpec) -> Result<(Timing, Produced), String> {
    with(command, &NEVER, |session| {
        let text = |e: BackendError| e.to_string();
        session.reset().map_err(text)?;
        let timing = session.run(Mode::EndToEnd, 1).map_err(text)?;
        let outputs = session.outputs().map_err(text)?;
        Ok((timing, Produced::from_outputs(&outputs).expect("a program's outputs")))
    })
}

fn failure(command: CommandSpec) -> String {
    once(command).expect_err("it fails")
}

#[test]
fn wall_clock_and_cpu_seconds_are_those_of_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let (slept, _) = once(shell(folder.path(), "sleep 0.2")).unwrap();
    assert!(slept.total_s >= 0.2 && slept.total_s < 5.0, "{slept:?}");
    assert!(slept.host_cpu_s < 0.15, "a sleeper burns nothing: {slept:?}");
    // Waited-for children count as well.
    let spin = "sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'; true";
    let (spun, _) = once(shell(folder.path(), spin)).unwrap();
    assert!(spun.host_cpu_s > 0.03 && spun.host_cpu_s <= 2.0 * spun.total_s, "{spun:?}");
}

#[test]
fn the_digest_is_that_of_the_output_whatever_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    // printf 'hello\n' | sha256sum
    let hello = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
    let (_, produced) = once(shell(folder.path(), "echo hello; echo noise >&2")).unwrap();
    assert_eq!((produced.hex().as_str(), produced.bytes), (hello, 6));
    // printf '\377\376\n' | sha256sum
    let odd = "6ff31c28bd3e1fb78657aaf43bf59f5a1a61169ff26a0b42022ae3c08269877c";
    let (_, produced) = once(shell(folder.path(), r"printf '\377\376\n'")).unwrap();
    assert_eq!((produced.hex().as_str(), produced.bytes), (odd, 3));
    // An output file is read instead, and removed before each run.
    let file = CommandSpec {
        output_file: Some("out".into()),
        ..shell(folder.path(), "test ! -e out && echo hello > out; echo other")
    };
    let (_, produced) = once(file.clone()).unwrap();
    assert_eq!(produced.hex(), hello);
    assert_eq!(once(file).unwrap().1.hex(), hello);
    let nothing = CommandSpec { output_file: Some("none".into()), ..shell(folder.path(), "true") };
    assert!(failure(nothing).contains("no output"));
}

#[test]
fn commands_that_fail_say_how() {
    let folder = tempfile::tempdir().unwrap();
    let status = failure(shell(folder.path(), "echo one >&2; printf 'tw\\033o\\n' >&2; exit 7"));
    assert!(status.contains("sh ended with status 7") && status.contains("one / tw o"), "{status}");
    let killed = failure(shell(folder.path(), "kill -9 $$"));
    assert!(killed.contains("killed by signal 9"), "{killed}");
    let lost =
        CommandSpec { folder: Some("/no/such/folder".into()), ..shell(folder.path(), "true") };
    assert!(failure(lost).contains("no such folder"));
}

#[test]
fn standard_input_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(once(shell(folder.path(), "cat")).unwrap().1.bytes, 0);
}

#[test]
fn a_run_without_end_is_stopped_with_all_that_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let start = Instant::now();
    // The child ignores the polite signal and would write after ten seconds.
    let script = "(trap '' TERM; sleep 10; echo x > late) & sleep 100";
    let endless = CommandSpec { time_limit_s: 0.3, ..shell(folder.path(), script) };
    let message = failure(endless);
    assert!(message.contains("time limit of 0.3 s"), "{message}");
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
}

#[test]
fn what_a_command_leaves_running_is_killed_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let script = "(sleep 1; echo late > late) & echo done";
    let (timing, produced) = once(shell(folder.path(), script)).unwrap();
    assert_eq!(produced.bytes, 5);
    assert!(timing.total_s < 0.9 && start.elapsed() < Duration::from_millis(900));
    std::thread::sleep(Duration::from_millis(1200));
    assert!(!folder.path().join("late").exists());
}

#[test]
fn ctrl_c_stops_a_run_at_once() {
    static ASKED: AtomicBool = AtomicBool::new(false);
    let folder = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let result = with(shell(folder.path(), "sleep 30"), &ASKED, |session| {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(100));
                ASKED.store(true, Ordering::SeqCst);
            });
            session.run(Mode::EndToEnd, 1)
        })
    });
    assert!(result.unwrap_err().to_string().contains("Ctrl-C"));
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_checker_judges_the_output() {
    let folder = tempfile::tempdir().unwrap();
    let checked = |script: &str| {
        let checker = Some(["sh", "-c", script].map(str::to_owned).into());
        let command = CommandSpec { checker, ..shell(folder.path(), "echo hello") };
        once(command).unwrap().1.checker.expect("there is a checker")
    };
    assert_eq!(checked("grep -q hello"), Ok(()));
    assert_eq!(checked("grep -q hello \"$BREAKEVEN_OUTPUT\" < /dev/null || grep -q hello"), Ok(()));
    let wrong = checked("echo 'no good' >&2; exit 1").unwrap_err();
    assert!(wrong.contains("status 1") && wrong.contains("no good"), "{wrong}");
    let checker =
        Some(["sh", "-c", "test -f \"$BREAKEVEN_OUTPUT\" && cmp - out"].map(str::to_owned));
    let file = CommandSpec {
        checker: checker.map(Into::into),
        output_file: Some("out".into()),
        ..shell(folder.path(), "echo hello > out")
    };
    assert_eq!(once(file).unwrap().1.checker, Some(Ok(())));
}

#[test]
fn programs_that_cannot_be_started_are_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("plain"), "text").unwrap();
    let problem = |program: &str| {
        let command = CommandSpec { words: vec![program.into()], ..shell(folder.path(), "") };
        startable(&command).expect_err("it cannot be started")
    };
    assert!(problem("no-such-program-at-all").contains("command not found"));
    assert!(problem("./gone").contains("./gone: command not found"));
    assert!(problem("./plain").contains("permission denied"));
    assert!(problem("plain").contains("write ./plain"));
    assert!(problem("/").contains("no file"));
    let checker = Some(vec!["no-such-checker".into()]);
    let command = CommandSpec { checker, ..shell(folder.path(), "true") };
    assert!(startable(&command).unwrap_err().contains("check: no-such-checker"));
}

#[test]
fn fewer_threads_are_what_the_command_sees() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::beside(&[device("cpu:1", DeviceKind::Cpu)], &NEVER);
    let mut device = process.open("process:cpu:1").unwrap();
    let command = shell(folder.path(), "test \"$(nproc)\" = 1 && test {threads} = 1");
    let mut session = device.load(Program::Command(command)).unwrap();
    session.run(Mode::EndToEnd, 1).unwrap_or_else(|e| panic!("{e}"));
    assert!(session.process().and_then(|facts| facts.startup_s).is_some_and(|s| s > 0.0));
}

#[test]
fn commands_see_the_cpu_and_the_first_real_gpu() {
    use DeviceKind::{Cpu, Gpu, SoftwareGpu};
    let ids = |found: &[DeviceInfo]| -> Vec<(String, String)> {
        let process = Process::beside(found, &NEVER);
        process.devices().iter().map(|d| (d.id.clone(), d.name.clone())).collect()
    };
    let pair = |id: &str, name: &str| (id.to_owned(), name.to_owned());
    let cpu = device("cpu", Cpu);
    let software = device("vulkan:0", SoftwareGpu);
    assert_eq!(ids(&[cpu.clone(), software]), [pair("process:cpu", "some cpu")]);
    // One chip through both drivers is one GPU; two chips are two for every command.
    let all = [cpu, device("vulkan:0", Gpu), device("cuda:0", Gpu), device("cuda:1", Gpu)];
    let expected = [pair("process:cpu", "some cpu"), pair("process:gpu", "some cuda:0")];
    assert_eq!(ids(&all), expected);
    let process = Process::beside(&all, &NEVER);
    let gpu = &process.devices()[1];
    assert_eq!((gpu.features.as_slice(), gpu.libraries.len()), (&["gpus=2".to_owned()][..], 0));
    assert_eq!(gpu.languages, [Language::Process]);
    assert!(process.open("process:cuda:0").err().unwrap().to_string().contains("process:cuda:0"));
}
