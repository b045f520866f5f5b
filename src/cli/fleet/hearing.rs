//! What the clusters tell of a fleet: by watches, and asked anew where these were silent or behind.

use std::collections::BTreeSet;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;

use super::drive::{Course, Drive, Stage, cluster_failure};
use super::progress::Progress;
use crate::cli::exit::Failure;
use crate::fleet::cluster::News;
use crate::fleet::watch;

/// How long to listen before looking at the clock.
const LISTEN: Duration = Duration::from_millis(500);
/// After this long without news of a cluster it is asked for everything.
const SILENCE: Duration = Duration::from_secs(60);

impl Drive<'_> {
    /// Listens to the clusters from now on.
    pub(super) fn listen(&mut self) {
        let (to, news) = channel();
        for (number, cluster) in self.clusters.iter().enumerate() {
            cluster.watch(&self.fleet.name, number, to.clone());
        }
        self.news = Some(news);
    }

    /// Asks every cluster for all jobs and pods.
    pub(super) fn ask_all(&mut self) -> Result<(), Failure> {
        for number in 0..self.clusters.len() {
            self.ask(number)?;
        }
        Ok(())
    }

    pub(super) fn ask(&mut self, number: usize) -> Result<(), Failure> {
        let name = &self.fleet.name;
        let jobs = self.clusters[number].jobs(name).map_err(cluster_failure)?;
        let pods = self.clusters[number].pods(name).map_err(cluster_failure)?;
        for course in self.courses.iter_mut().filter(|c| c.cluster == number) {
            let there = |job: &Job| job.metadata.uid == course.uid;
            if course.stage == Stage::Runs && !jobs.iter().any(there) {
                course.job = None;
            }
        }
        self.hear(number, News::Jobs(jobs));
        self.hear(number, News::Pods(pods));
        self.heard[number] = Instant::now();
        Ok(())
    }

    /// Waits for news a moment, and takes all that is there.
    pub(super) fn next_news(&mut self, progress: &mut Progress) -> Result<(), Failure> {
        let mut wait = LISTEN;
        loop {
            let Some(news) = &self.news else { return Ok(()) };
            let (number, news) = match news.recv_timeout(wait) {
                Ok(news) => news,
                Err(RecvTimeoutError::Timeout) => return self.ask_the_silent(),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::internal(
                        "the watch on the cluster ended; run again to take the fleet up",
                    ));
                }
            };
            wait = Duration::ZERO;
            if let News::Trouble(trouble) = &news {
                progress.trouble(&self.clusters[number].context, trouble);
            } else {
                self.heard[number] = Instant::now();
            }
            self.hear(number, news);
        }
    }

    /// A watch may never come back, and a job may be gone unnoticed: whoever was silent long is asked.
    pub(super) fn ask_the_silent(&mut self) -> Result<(), Failure> {
        for number in 0..self.clusters.len() {
            if self.heard[number].elapsed() > SILENCE {
                self.ask(number)?;
            }
        }
        Ok(())
    }

    /// Takes note of what a cluster told.
    pub(super) fn hear(&mut self, number: usize, news: News) {
        match news {
            News::Pods(pods) => {
                let there: BTreeSet<String> =
                    pods.iter().filter_map(|pod| pod.metadata.uid.clone()).collect();
                for course in self.courses.iter_mut().filter(|c| c.cluster == number) {
                    for (uid, pod) in &mut course.pods {
                        if !there.contains(uid) {
                            *pod = watch::gone(pod.clone());
                        }
                    }
                }
                for pod in pods {
                    self.keep(number, pod);
                }
            }
            News::Pod(pod) => self.keep(number, *pod),
            News::PodGone(pod) => self.keep(number, watch::gone(*pod)),
            News::Jobs(jobs) => {
                for job in jobs {
                    self.hear(number, News::Job(Box::new(job)));
                }
            }
            News::Job(job) => {
                if let Some(course) = self.course(number, &job) {
                    course.job = Some(*job);
                }
            }
            News::JobGone(job) => {
                if let Some(course) = self.course(number, &job) {
                    course.job = None;
                }
            }
            News::Trouble(_) => {}
        }
    }

    /// The target whose present job this is.
    pub(super) fn course(&mut self, number: usize, job: &Job) -> Option<&mut Course> {
        self.courses
            .iter_mut()
            .find(|c| c.cluster == number && c.stage == Stage::Runs && c.uid == job.metadata.uid)
    }

    /// Keeps a pod of a present job.
    pub(super) fn keep(&mut self, number: usize, pod: Pod) {
        let Some(uid) = pod.metadata.uid.clone() else { return };
        let Some(job) = watch::job_of(&pod).map(str::to_owned) else { return };
        let of_it = |c: &&mut Course| c.cluster == number && c.uid.as_ref() == Some(&job);
        if let Some(course) = self.courses.iter_mut().find(of_it) {
            course.pods.insert(uid, pod);
        }
    }
}
