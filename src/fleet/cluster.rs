//! Speaks with Kubernetes: the user's kubeconfig, calls with patience, and a watch on a thread of its
//! own. The only part that is asynchronous inside; nobody outside sees that.

use std::fmt::Debug;
use std::future::Future;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Event as ClusterEvent, Pod};
use kube::api::{DeleteParams, ListParams, LogParams, Patch, PatchParams, PostParams};
use kube::config::KubeConfigOptions;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Config, Resource};
use serde::de::DeserializeOwned;
use tokio::runtime::{Builder, Runtime};

use super::job::{ASKED, CONTAINER, FLEET, MANAGED_BY};

/// Tries of a call that the cluster did not take, and the pauses between them.
const TRIES: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A call without an answer after this long has failed.
const ANSWER: Duration = Duration::from_secs(30);
/// Tries until a job that is being deleted is gone, and the pauses between them.
const GONE_TRIES: u32 = 60;
const GONE_PAUSE: Duration = Duration::from_secs(1);
/// Seconds after which the server ends a watch, which is then begun anew: so a connection that died
/// in silence is noticed.
const WATCH_S: u32 = 60;
/// The name under which changes are made.
const MANAGER: &str = "breakeven";

/// Why the cluster cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No kubeconfig, no such context, or credentials that cannot be read.
    #[error("kubeconfig: {0}; see `kubectl config get-contexts`, and name one with `context`")]
    Config(String),
    /// The cluster refuses the user.
    #[error(
        "{context}: {message}; a fleet creates, watches and deletes Jobs and ConfigMaps, and reads \
         Pods, their logs and Events in its namespace"
    )]
    Refused {
        /// Which cluster.
        context: String,
        /// What it said.
        message: String,
    },
    /// The cluster does not answer.
    #[error("{context}: {message}; what runs there goes on: run again to take it up")]
    Unreachable {
        /// Which cluster.
        context: String,
        /// What was tried.
        message: String,
    },
    /// The cluster answers that it cannot do it.
    #[error("{context}: {message}")]
    Failed {
        /// Which cluster.
        context: String,
        /// What went wrong.
        message: String,
    },
    /// There is an object of this name that asks for something else.
    #[error(
        "{context}: job {job} is there with other settings; `breakeven fleet delete` removes it, or \
         give this fleet another name"
    )]
    Taken {
        /// Which cluster.
        context: String,
        /// The job.
        job: String,
    },
}

/// What a watch brings.
#[derive(Debug)]
pub enum News {
    /// All pods of the fleet, as listed just now.
    Pods(Vec<Pod>),
    /// One that is new or changed.
    Pod(Box<Pod>),
    /// One that is gone, in its last state.
    PodGone(Box<Pod>),
    /// All its jobs.
    Jobs(Vec<Job>),
    /// One that is new or changed.
    Job(Box<Job>),
    /// One that is gone.
    JobGone(Box<Job>),
    /// The cluster did not answer; it is asked again.
    Trouble(String),
}

/// One cluster and namespace.
pub struct Cluster {
    runtime: Runtime,
    client: Client,
    config: Config,
    /// What messages call it.
    pub context: String,
    /// The namespace of the fleet.
    pub namespace: String,
}

impl Cluster {
    /// The cluster of `context` in the user's kubeconfig (the current one for `None`), or the one
    /// that this program runs in.
    ///
    /// # Errors
    /// [`ClusterError::Config`].
    pub fn connect(context: Option<&str>, namespace: Option<&str>) -> Result<Self, ClusterError> {
        let wrong = |error: &dyn std::fmt::Display| ClusterError::Config(error.to_string());
        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(|error| wrong(&error))?;
        let options =
            KubeConfigOptions { context: context.map(str::to_owned), ..Default::default() };
        let config = runtime.block_on(async {
            match context {
                Some(_) => Config::from_kubeconfig(&options).await.map_err(|error| wrong(&error)),
                None => Config::infer().await.map_err(|error| wrong(&error)),
            }
        })?;
        // Building a client needs a runtime around it.
        let client = runtime
            .block_on(async { Client::try_from(config.clone()) })
            .map_err(|error| wrong(&error))?;
        Ok(Self {
            namespace: namespace.map_or_else(|| config.default_namespace.clone(), str::to_owned),
            context: context.map_or_else(|| config.cluster_url.to_string(), str::to_owned),
            runtime,
            client,
            config,
        })
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Calls until it works or there is no hope.
    fn call<T, F>(&self, what: &str, mut attempt: impl FnMut() -> F) -> Result<T, ClusterError>
    where
        F: Future<Output = Result<T, kube::Error>>,
    {
        self.runtime.block_on(async {
            let mut pause = FIRST_PAUSE;
            for number in 1.. {
                let (failure, answered) = match tokio::time::timeout(ANSWER, attempt()).await {
                    Ok(Ok(value)) => return Ok(value),
                    Ok(Err(error)) if !may_pass(&error) => return Err(self.error(what, &error)),
                    Ok(Err(error)) => (told(&error), code(&error).is_some()),
                    Err(_) => (format!("no answer in {} s", ANSWER.as_secs()), false),
                };
                if number == TRIES {
                    let message = format!("cannot {what}: {failure}; tried {TRIES} times");
                    let context = self.context.clone();
                    return Err(match answered {
                        true => ClusterError::Failed { context, message },
                        false => ClusterError::Unreachable { context, message },
                    });
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            unreachable!("the last try returns")
        })
    }

    fn error(&self, what: &str, error: &kube::Error) -> ClusterError {
        let context = self.context.clone();
        let message = format!("cannot {what}: {}", told(error));
        match code(error) {
            Some(401 | 403) => ClusterError::Refused { context, message },
            _ => ClusterError::Failed { context, message },
        }
    }

    /// Creates `job`, or finds it there as asked for: made by a call whose answer was lost, or by
    /// another client. Waits for one that is being deleted. Returns the job that is there.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub fn create_job(&self, job: &Job) -> Result<Job, ClusterError> {
        let api: Api<Job> = self.api();
        let name = job.metadata.name.clone().unwrap_or_default();
        let what = format!("create job {name}");
        let asked = |job: &Job| job.metadata.annotations.as_ref()?.get(ASKED).cloned();
        for _ in 0..GONE_TRIES {
            let found = self.call(&what, || async {
                match api.create(&PostParams::default(), job).await {
                    Ok(created) => Ok(Some(created)),
                    Err(error) if code(&error) == Some(409) => api.get_opt(&name).await,
                    Err(error) => Err(error),
                }
            })?;
            match found {
                Some(there) if there.metadata.deletion_timestamp.is_some() => {}
                Some(there) if asked(&there) == asked(job) => return Ok(there),
                Some(_) => {
                    return Err(ClusterError::Taken { context: self.context.clone(), job: name });
                }
                // Gone between two calls, or a conflict of another kind.
                None => {}
            }
            thread::sleep(GONE_PAUSE);
        }
        Err(ClusterError::Failed {
            context: self.context.clone(),
            message: format!("cannot {what}: one of this name is still being deleted"),
        })
    }

    /// Creates `map` or makes it as given.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub fn put_config_map(&self, map: &ConfigMap) -> Result<(), ClusterError> {
        let api: Api<ConfigMap> = self.api();
        let name = map.metadata.name.clone().unwrap_or_default();
        let params = PatchParams::apply(MANAGER).force();
        self.call(&format!("write config map {name}"), || async {
            api.patch(&name, &params, &Patch::Apply(map)).await.map(|_| ())
        })
    }

    /// The jobs of the fleet called `fleet`.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub fn jobs(&self, fleet: &str) -> Result<Vec<Job>, ClusterError> {
        self.list(fleet, "list jobs")
    }

    /// Its pods.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub fn pods(&self, fleet: &str) -> Result<Vec<Pod>, ClusterError> {
        self.list(fleet, "list pods")
    }

    /// Its config maps.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub fn config_maps(&self, fleet: &str) -> Result<Vec<ConfigMap>, ClusterError> {
        self.list(fleet, "list config maps")
    }

    fn list<K>(&self, fleet: &str, what: &str) -> Result<Vec<K>, ClusterError>
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
        K::DynamicType: Default,
    {
        let api: Api<K> = self.api();
        let params = ListParams::default().labels(&selector(fleet));
        self.call(what, || async { api.list(&params).await.map(|list| list.items) })
    }

    /// What a pod wrote; `None` where the pod is gone.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub fn log(&self, pod: &str) -> Result<Option<String>, ClusterError> {
        let api: Api<Pod> = self.api();
        let params = LogParams { container: Some(CONTAINER.into()), ..LogParams::default() };
        self.call(&format!("read the log of pod {pod}"), || async {
            match api.logs(pod, &params).await {
                Ok(log) => Ok(Some(log)),
                Err(error) if code(&error) == Some(404) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    /// The last warning about the object called `name`, such as a quota that lets it make no pods.
    pub fn warning(&self, name: &str) -> Option<String> {
        let api: Api<ClusterEvent> = self.api();
        let fields = format!("involvedObject.name={name},type=Warning");
        let params = ListParams::default().fields(&fields);
        let events = self.call("list events", || async { api.list(&params).await }).ok()?.items;
        let last = events.into_iter().max_by_key(|event| {
            event
                .last_timestamp
                .as_ref()
                .or(event.metadata.creation_timestamp.as_ref())
                .map(|t| t.0)
        })?;
        let reason = last.reason.unwrap_or_default();
        Some(format!("{reason}: {}", last.message.unwrap_or_default()))
    }

    /// Deletes a job with its pods; one that is gone is deleted.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub fn delete_job(&self, name: &str) -> Result<(), ClusterError> {
        self.delete::<Job>(name, "job")
    }

    /// Deletes a config map.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub fn delete_config_map(&self, name: &str) -> Result<(), ClusterError> {
        self.delete::<ConfigMap>(name, "config map")
    }

    fn delete<K>(&self, name: &str, kind: &str) -> Result<(), ClusterError>
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
        K::DynamicType: Default,
    {
        let api: Api<K> = self.api();
        self.call(&format!("delete {kind} {name}"), || async {
            match api.delete(name, &DeleteParams::background()).await {
                Ok(_) => Ok(()),
                Err(error) if code(&error) == Some(404) => Ok(()),
                Err(error) => Err(error),
            }
        })
    }

    /// Watches the jobs and pods of `fleet` until nobody listens any more: the lists first, then every
    /// change; from the beginning again where the server forgot what was seen.
    /// What is sent carries `number`, so that several clusters can share a listener.
    pub fn watch(&self, fleet: &str, number: usize, to: Sender<(usize, News)>) {
        let (config, namespace) = (self.config.clone(), self.namespace.clone());
        let selector = selector(fleet);
        thread::spawn(move || {
            let Ok(runtime) = Builder::new_current_thread().enable_all().build() else { return };
            runtime.block_on(async move {
                let client = match Client::try_from(config) {
                    Ok(client) => client,
                    Err(error) => {
                        let _ = to.send((number, News::Trouble(error.to_string())));
                        return;
                    }
                };
                let pods = Api::<Pod>::namespaced(client.clone(), &namespace);
                let jobs = Api::<Job>::namespaced(client, &namespace);
                let send = |news| to.send((number, news)).is_ok();
                tokio::select! {
                    () = follow(pods, &selector, &send, of_pod, News::Pods) => {}
                    () = follow(jobs, &selector, &send, of_job, News::Jobs) => {}
                }
            });
        });
    }
}

/// What one change is told as.
fn of_pod(event: watcher::Event<Pod>) -> Option<News> {
    match event {
        watcher::Event::Apply(pod) => Some(News::Pod(Box::new(pod))),
        watcher::Event::Delete(pod) => Some(News::PodGone(Box::new(pod))),
        _ => None,
    }
}

fn of_job(event: watcher::Event<Job>) -> Option<News> {
    match event {
        watcher::Event::Apply(job) => Some(News::Job(Box::new(job))),
        watcher::Event::Delete(job) => Some(News::JobGone(Box::new(job))),
        _ => None,
    }
}

/// Sends what happens to objects of one kind; returns when nobody listens.
async fn follow<K>(
    api: Api<K>,
    selector: &str,
    send: &impl Fn(News) -> bool,
    change: impl Fn(watcher::Event<K>) -> Option<News>,
    list: impl Fn(Vec<K>) -> News,
) where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let config = watcher::Config::default().labels(selector).timeout(WATCH_S);
    let mut stream = watcher(api, config).default_backoff().into_stream().boxed();
    let mut listed = Vec::new();
    loop {
        let news = match stream.try_next().await {
            Ok(None) => return,
            Ok(Some(watcher::Event::Init)) => {
                listed.clear();
                None
            }
            Ok(Some(watcher::Event::InitApply(object))) => {
                listed.push(object);
                None
            }
            Ok(Some(watcher::Event::InitDone)) => Some(list(std::mem::take(&mut listed))),
            Ok(Some(event)) => change(event),
            Err(error) => Some(News::Trouble(chain(&error))),
        };
        if let Some(news) = news
            && !send(news)
        {
            return;
        }
    }
}

fn selector(fleet: &str) -> String {
    format!("{}={},{FLEET}={fleet}", MANAGED_BY.0, MANAGED_BY.1)
}

fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

/// Whether another try may work: the server is busy or changes, or the network failed.
fn may_pass(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => matches!(status.code, 408 | 429 | 500 | 502 | 503 | 504),
        kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_) => true,
        _ => false,
    }
}

/// An error in one line, without what is said twice.
fn told(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} ({})", status.message, status.code),
        error => chain(error),
    }
}

/// An error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text += &format!(": {inner_text}");
        }
        cause = inner.source();
    }
    text
}
