//! What the cluster says of a job and its pods → where each run stands. Pure.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStateWaiting, Pod};

use super::deliver::LastWords;
use super::job::CONTAINER;

/// Where the job's controller writes a pod's index.
const INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// Reasons for which a container does not start, and will not by waiting.
const STUCK: &[&str] = &[
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ImageInspectError",
    "ErrImageNeverPull",
    "RegistryUnavailable",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];
/// Exit codes with which breakeven refuses: not tried again.
pub const REFUSALS: [i32; 4] = [1, 2, 3, 4];
/// Characters of somebody else's message that are told.
const TOLD: usize = 300;

/// How long to wait for what may yet come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Patience {
    /// Seconds for a node.
    pub pending_s: f64,
    /// Seconds that a queue may hold the job back.
    pub queue_s: f64,
    /// Seconds for a container that does not start on the node that it has.
    pub stuck_s: f64,
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// Not yet, and why.
    Waiting {
        /// In words.
        why: String,
    },
    /// A node measures.
    Running {
        /// The node.
        node: String,
        /// Seconds since it was given to the pod.
        for_s: f64,
    },
    /// The pod handed a record over.
    Ended {
        /// The pod, whose log may hold the record.
        pod: String,
        /// Its node.
        node: String,
        /// What it said.
        words: LastWords,
    },
    /// There will be no record.
    Failed {
        /// Why.
        why: String,
        /// Whether the job goes on without knowing it, so that it must be deleted.
        given_up: bool,
    },
}

/// Where each of the `indexes` runs of `job` stands, by its `pods`, some of which may be gone by now.
/// A job that is not there has failed, unless its pods said otherwise.
pub fn states(
    job: Option<&Job>,
    pods: &[&Pod],
    indexes: usize,
    now: Timestamp,
    patience: &Patience,
) -> Vec<State> {
    let of = |index: usize| {
        let mut own: Vec<&Pod> =
            pods.iter().copied().filter(|p| index_of(p) == Some(index)).collect();
        // Times are of whole seconds: a pod that failed comes before the one that takes its place.
        let created = |pod: &Pod| pod.metadata.creation_timestamp.as_ref().map(|t| t.0);
        own.sort_by_key(|pod| (created(pod), phase(pod) != "Failed"));
        own
    };
    let mut states: Vec<State> =
        (0..indexes).map(|index| one(job, &of(index), index, now, patience)).collect();
    give_up_the_rest(job, pods, &mut states, now, patience);
    states
}

fn one(
    job: Option<&Job>,
    own: &[&Pod],
    index: usize,
    now: Timestamp,
    patience: &Patience,
) -> State {
    let handed_over = own.iter().rev().find_map(|pod| {
        let words = terminated(pod)?.message.as_deref().and_then(LastWords::read)?;
        words.way.map(|_| State::Ended { pod: name(pod), node: node(pod), words })
    });
    if let Some(ended) = handed_over {
        return ended;
    }
    let failed = |why: String| State::Failed { why, given_up: false };
    let last_failure = || own.iter().rev().find_map(|pod| why_failed(pod));
    let Some(job) = job else {
        return failed(
            last_failure().unwrap_or_else(|| "its job was deleted by somebody else".into()),
        );
    };
    let status = job.status.as_ref();
    let listed = |list: Option<&String>| list.is_some_and(|list| holds(list, index));
    if listed(status.and_then(|s| s.failed_indexes.as_ref())) {
        return failed(last_failure().unwrap_or_else(|| "its pods failed and are gone".into()));
    }
    if listed(status.and_then(|s| s.completed_indexes.as_ref())) {
        return failed(last_failure().unwrap_or_else(|| {
            "its pod ended without saying where the record is; is the image another version?".into()
        }));
    }
    if let Some(ended) = job_failure(job) {
        return failed(last_failure().map_or(ended.clone(), |why| format!("{why}; {ended}")));
    }
    match own.last() {
        Some(pod) if phase(pod) == "Failed" => {
            let why = last_failure().unwrap_or_else(|| "its pod failed".into());
            let refused = terminated(pod).is_some_and(|t| REFUSALS.contains(&t.exit_code));
            State::Waiting { why: if refused { why } else { format!("{why}; tried again") } }
        }
        Some(pod) => of_active(pod, now, patience),
        None => State::Waiting { why: before_pods(job) },
    }
}

/// A pod that neither succeeded nor failed.
fn of_active(pod: &Pod, now: Timestamp, patience: &Patience) -> State {
    let given_up = |why: String| State::Failed { why, given_up: true };
    let waited_s = pod.metadata.creation_timestamp.as_ref().map_or(0.0, |t| seconds(t.0, now));
    let Some(since) = pod.status.as_ref().and_then(|s| s.start_time.as_ref()) else {
        let why = unscheduled(pod);
        return match waited_s > patience.pending_s {
            true => given_up(format!("no node in {:.0} min: {why}", waited_s / 60.0)),
            false => State::Waiting { why },
        };
    };
    let for_s = seconds(since.0, now);
    if let Some(waiting) = waiting(pod) {
        let reason = waiting.reason.as_deref().unwrap_or_default();
        let message = waiting.message.as_deref().unwrap_or_default();
        if STUCK.contains(&reason) {
            let why = format!("{reason}: {}", cut(message));
            return match for_s > patience.stuck_s {
                true => given_up(why),
                false => State::Waiting { why },
            };
        }
        return State::Waiting { why: format!("starting on {}", node(pod)) };
    }
    State::Running { node: node(pod), for_s }
}

/// Runs without a pod fail with those that were given up: their turn does not come. The same where
/// the job makes no pods at all.
fn give_up_the_rest(
    job: Option<&Job>,
    pods: &[&Pod],
    states: &mut [State],
    now: Timestamp,
    patience: &Patience,
) {
    let Some(job) = job else { return };
    let has_active = |index: usize| {
        pods.iter()
            .any(|p| index_of(p) == Some(index) && !["Failed", "Succeeded"].contains(&phase(p)))
    };
    let hopeful = states.iter().enumerate().any(|(index, state)| match state {
        State::Running { .. } => true,
        State::Waiting { .. } => has_active(index),
        _ => false,
    });
    if hopeful {
        return;
    }
    // Pods that were given up and are still there take the places of those that would come.
    let in_the_way: Vec<String> = states
        .iter()
        .enumerate()
        .filter(|(index, _)| has_active(*index))
        .filter_map(|(_, state)| match state {
            State::Failed { why, given_up: true } => Some(why.clone()),
            _ => None,
        })
        .collect();
    let places = job.spec.as_ref().and_then(|spec| spec.parallelism).unwrap_or(1).max(1) as usize;
    let given_up = in_the_way.first().filter(|_| in_the_way.len() >= places).cloned();
    let (patience_s, what) = match suspended(job) {
        true => (patience.queue_s, "its queue did not admit it"),
        false => (patience.pending_s, "its job made no pod"),
    };
    let why = given_up.or_else(|| {
        let ended = pods.iter().filter_map(|p| terminated(p)?.finished_at.as_ref().map(|t| t.0));
        let started = job.status.as_ref().and_then(|s| s.start_time.as_ref()).map(|t| t.0);
        let created = job.metadata.creation_timestamp.as_ref().map(|t| t.0);
        let since = ended.chain(started.or(created)).max()?;
        let waited_s = seconds(since, now);
        (waited_s > patience_s).then(|| format!("{what} in {:.0} min", waited_s / 60.0))
    });
    let Some(why) = why else { return };
    for state in states.iter_mut() {
        if matches!(state, State::Waiting { .. }) {
            *state = State::Failed { why: why.clone(), given_up: true };
        }
    }
}

/// A pod that is gone: where it had not ended, it has failed.
pub fn gone(mut pod: Pod) -> Pod {
    if !["Failed", "Succeeded"].contains(&phase(&pod)) && terminated(&pod).is_none() {
        let status = pod.status.get_or_insert_default();
        status.phase = Some("Failed".into());
        status.reason.get_or_insert_with(|| "Deleted".into());
        status.message.get_or_insert_with(|| "the pod was deleted before it ended".into());
    }
    pod
}

/// Seconds in which `pod` had its node, as far as is known.
pub fn node_seconds(pod: &Pod, now: Timestamp) -> f64 {
    let Some(begin) = pod.status.as_ref().and_then(|s| s.start_time.as_ref()) else { return 0.0 };
    let ended = terminated(pod).and_then(|t| t.finished_at.as_ref());
    let over = ["Failed", "Succeeded"].contains(&phase(pod));
    let end = match (ended, over) {
        (Some(end), _) => end.0,
        // Evicted without a word of its container: the condition's time is the best there is.
        (None, true) => last_change(pod).unwrap_or(begin.0),
        (None, false) => now,
    };
    seconds(begin.0, end).max(0.0)
}

fn last_change(pod: &Pod) -> Option<Timestamp> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().filter_map(|c| c.last_transition_time.as_ref()).map(|t| t.0).max()
}

/// Whether something holds the job back, such as Kueue.
pub fn suspended(job: &Job) -> bool {
    job.spec.as_ref().and_then(|spec| spec.suspend).unwrap_or(false)
}

fn before_pods(job: &Job) -> String {
    match suspended(job) {
        true => "suspended: its queue has not admitted it".into(),
        false => "its turn has not come".into(),
    }
}

/// Why the whole job ended, where it failed.
fn job_failure(job: &Job) -> Option<String> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let failed = conditions.iter().find(|c| c.type_ == "Failed" && c.status == "True")?;
    Some(match failed.reason.as_deref() {
        Some("DeadlineExceeded") => "its job's time was over".into(),
        reason => format!(
            "its job failed ({}: {})",
            reason.unwrap_or("no reason given"),
            cut(failed.message.as_deref().unwrap_or_default())
        ),
    })
}

/// Why `pod` failed; `None` where it did not.
pub fn why_failed(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let terminated = terminated(pod);
    let message = cut(status.message.as_deref().unwrap_or_default());
    match status.reason.as_deref() {
        Some("Evicted") => return Some(format!("evicted from {}: {message}", node(pod))),
        Some("DeadlineExceeded") => {
            return Some(format!("took longer than a run may on {} and was ended", node(pod)));
        }
        _ => {}
    }
    if let Some(why) = disrupted(pod) {
        return Some(format!("{why} on {}", node(pod)));
    }
    if phase(pod) != "Failed" && terminated.is_none_or(|t| t.exit_code == 0) {
        return None;
    }
    let Some(terminated) = terminated else {
        let reason = status.reason.as_deref().unwrap_or("no reason given");
        return Some(format!("its pod failed on {} ({reason}: {message})", node(pod)));
    };
    if terminated.reason.as_deref() == Some("OOMKilled") {
        return Some(format!("ran out of the memory that its pod may have on {}", node(pod)));
    }
    let left = terminated.message.as_deref().unwrap_or_default();
    let error = LastWords::read(left).and_then(|words| words.error);
    // Of a log's end the last lines tell most.
    let told = error.unwrap_or_else(|| tail(left));
    Some(match told.is_empty() {
        true => format!("ended with exit code {} on {}", terminated.exit_code, node(pod)),
        false => told,
    })
}

/// What took the pod its node, where something did.
fn disrupted(pod: &Pod) -> Option<String> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let condition =
        conditions.iter().find(|c| c.type_ == "DisruptionTarget" && c.status == "True")?;
    Some(match condition.reason.as_deref() {
        Some("PreemptionByScheduler") => "preempted by a pod of higher priority".into(),
        Some("EvictionByEvictionAPI") => "evicted: its node was drained".into(),
        Some("DeletionByTaintManager") => "evicted: its node was tainted".into(),
        Some("DeletionByPodGC") => "lost with its node".into(),
        Some("TerminationByKubelet") => "ended: its node shut down or ran short".into(),
        reason => format!("disrupted ({})", reason.unwrap_or("no reason given")),
    })
}

/// Why a pod has no node yet.
fn unscheduled(pod: &Pod) -> String {
    let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_ref());
    let scheduled = conditions.and_then(|all| all.iter().find(|c| c.type_ == "PodScheduled"));
    match scheduled.and_then(|c| c.message.as_deref()) {
        Some(message) => cut(message),
        None => "no node yet".into(),
    }
}

/// The uid of the job that made `pod`.
pub fn job_of(pod: &Pod) -> Option<&str> {
    let owners = pod.metadata.owner_references.as_ref()?;
    owners.iter().find(|owner| owner.kind == "Job").map(|owner| owner.uid.as_str())
}

fn index_of(pod: &Pod) -> Option<usize> {
    let from = |map: Option<&std::collections::BTreeMap<String, String>>| {
        map.and_then(|map| map.get(INDEX)).and_then(|text| text.parse().ok())
    };
    from(pod.metadata.annotations.as_ref()).or_else(|| from(pod.metadata.labels.as_ref()))
}

/// Whether a list such as `1,3-5,7` holds `index`.
fn holds(list: &str, index: usize) -> bool {
    list.split(',').any(|part| match part.split_once('-') {
        Some((low, high)) => {
            let bounds = (low.parse::<usize>(), high.parse::<usize>());
            matches!(bounds, (Ok(low), Ok(high)) if (low..=high).contains(&index))
        }
        None => part.parse() == Ok(index),
    })
}

fn state_of(pod: &Pod) -> Option<&k8s_openapi::api::core::v1::ContainerState> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    // A mesh or a webhook may have put other containers beside ours.
    statuses.iter().find(|status| status.name == CONTAINER)?.state.as_ref()
}

fn terminated(pod: &Pod) -> Option<&ContainerStateTerminated> {
    state_of(pod)?.terminated.as_ref()
}

fn waiting(pod: &Pod) -> Option<&ContainerStateWaiting> {
    state_of(pod)?.waiting.as_ref()
}

fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or("Pending")
}

fn name(pod: &Pod) -> String {
    pod.metadata.name.clone().unwrap_or_default()
}

fn node(pod: &Pod) -> String {
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    node.unwrap_or_else(|| "no node".into())
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

/// One line, not too long.
fn cut(message: &str) -> String {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(TOLD) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

/// The end of a log as one line.
fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    if let Some(error) = lines.iter().find(|line| line.starts_with("error: ")) {
        return cut(error);
    }
    let last = lines[lines.len().saturating_sub(3)..].join("; ");
    let from = last.char_indices().rev().nth(TOLD).map_or(0, |(at, _)| at);
    last[from..].to_owned()
}
