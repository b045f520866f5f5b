//! Walks the pages of the price list: one walk a region, each page retried with back-off.

use std::collections::{BTreeMap, HashSet};
use std::thread;
use std::time::Duration;

use ureq::Agent;
use ureq::http::StatusCode;
use ureq::tls::{RootCerts, TlsConfig};

use super::api::Page;
use super::walk::{Region, Walk};

/// Where Azure publishes its list prices; no account is needed.
pub const URL: &str = "https://prices.azure.com/api/retail/prices";
/// From this version on filters heed letter case; the rules of `api` are written for it.
const API_VERSION: &str = "2023-01-01-preview";
/// A region has some ten pages of a thousand rows, at most a few hundred of a hundred.
const MAX_PAGES: usize = 2_000;
/// A page has about 1 MB.
const MAX_BYTES: u64 = 64 << 20;
/// What of an answer that is no page is shown.
const SHOWN_CHARS: usize = 120;

/// How long to wait, and how often to try again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Patience {
    /// Times that a page is asked for in all.
    pub tries: u32,
    /// Wait after the first failure; doubled after each further one.
    pub first_wait: Duration,
    /// Wait after "too many requests" where the service names none.
    pub crowded_wait: Duration,
    /// Longest wait that the service may ask for.
    pub longest_wait: Duration,
    /// For one answer, from the connection to its last byte.
    pub timeout: Duration,
}

impl Default for Patience {
    /// Five tries, half a second after the first, then double; a minute for an answer.
    fn default() -> Self {
        Self {
            tries: 5,
            first_wait: Duration::from_millis(500),
            crowded_wait: Duration::from_secs(30),
            longest_wait: Duration::from_secs(120),
            timeout: Duration::from_secs(60),
        }
    }
}

/// What happens on the way, for whoever shows progress.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A page was read.
    Page {
        /// Region that is read.
        region: String,
        /// Pages so far.
        pages: usize,
        /// Rows so far.
        rows: usize,
    },
    /// A page is asked for again after a wait.
    Retry {
        /// Why.
        problem: String,
        /// How long the wait is.
        wait: Duration,
        /// Which try comes next, from 2.
        next_try: u32,
        /// How many there are at most.
        tries: u32,
    },
}

/// Why there are no new prices.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No usable answer, however often asked.
    #[error(
        "{url}: {problem} ({tries} tries); check the network and the proxy (HTTPS_PROXY, \
         NO_PROXY), or try again later"
    )]
    GaveUp {
        /// The page.
        url: String,
        /// What came of the last try.
        problem: String,
        /// How often it was tried.
        tries: u32,
    },
    /// Asking again would not help.
    #[error("{url}: {problem}; {next}")]
    Refused {
        /// The page.
        url: String,
        /// What is wrong.
        problem: String,
        /// What to do about it.
        next: &'static str,
    },
    /// An answer that is not a page of prices.
    #[error(
        "{url}: not a page of the Azure Retail Prices API: {problem}; check --url, and whether a \
         proxy answers in its place"
    )]
    NotAPage {
        /// The page.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The list has no end.
    #[error(
        "{url}: the list of region {region} has no end: {problem}; check --url, or try again later"
    )]
    Endless {
        /// The page.
        url: String,
        /// The region.
        region: String,
        /// How that was noticed.
        problem: String,
    },
    /// Prices in another currency than asked for.
    #[error("{url}: a price in {currency} where US dollars were asked for; check --url")]
    Currency {
        /// The page.
        url: String,
        /// The currency.
        currency: String,
    },
    /// A region without a single row.
    #[error(
        "--region {region}: the service has no prices of virtual machines there; give the name \
         that Azure's resource manager uses, for example eastus or westeurope"
    )]
    NoRegion {
        /// The region.
        region: String,
    },
}

/// Why one try failed.
enum Failed {
    /// It may go better next time, after this wait if the service named one.
    Now { problem: String, wait: Option<Duration> },
    /// It will not.
    Always(FetchError),
}

/// The price service.
pub struct Service {
    agent: Agent,
    url: String,
    patience: Patience,
}

impl Service {
    /// The service at `url`. Proxies are taken from the environment, certificates from the
    /// system: a company proxy that opens TLS is trusted by the system's store only.
    pub fn new(url: &str, patience: Patience) -> Self {
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .user_agent(concat!("breakeven/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(patience.timeout.min(Duration::from_secs(10))))
            .timeout_global(Some(patience.timeout));
        Self { agent: config.build().into(), url: url.trim_end_matches('/').to_owned(), patience }
    }

    /// Reads all pages of `region` and keeps the prices of `sizes` (names in lower case → as
    /// the catalog writes them) that hold on `today` (`YYYY-MM-DD`).
    ///
    /// # Errors
    /// A page that cannot be had or read, a list without end, a region without rows.
    pub fn region(
        &self,
        region: &str,
        sizes: &BTreeMap<String, String>,
        today: &str,
        tell: &mut dyn FnMut(Event),
    ) -> Result<Region, FetchError> {
        let mut walk = Walk::new(region, sizes, today);
        let mut seen: HashSet<String> = HashSet::new();
        let mut next = Some(self.first_page(region));
        while let Some(url) = next {
            let endless = |problem: &str| FetchError::Endless {
                url: url.clone(),
                region: region.to_owned(),
                problem: problem.to_owned(),
            };
            if !seen.insert(url.clone()) {
                return Err(endless("a NextPageLink leads back to this page"));
            }
            if seen.len() > MAX_PAGES {
                return Err(endless(&format!("more than {MAX_PAGES} pages")));
            }
            let page = self.page(&url, tell)?;
            walk.take(&url, page.items)?;
            let region = region.to_owned();
            tell(Event::Page { region, pages: seen.len(), rows: walk.rows() });
            next = page.next.filter(|link| !link.is_empty());
        }
        let source = if self.url == URL { "Azure Retail Prices API" } else { &self.url };
        walk.end(source)
    }

    fn first_page(&self, region: &str) -> String {
        let mark = if self.url.contains('?') { '&' } else { '?' };
        format!(
            "{}{mark}api-version={API_VERSION}&$filter=serviceName%20eq%20%27Virtual%20Machines%27\
             %20and%20armRegionName%20eq%20%27{region}%27",
            self.url
        )
    }

    /// One page, asked for until it comes or patience ends.
    fn page(&self, url: &str, tell: &mut dyn FnMut(Event)) -> Result<Page, FetchError> {
        let tries = self.patience.tries.max(1);
        let mut backoff = self.patience.first_wait;
        let mut last = String::new();
        for number in 1..=tries {
            let (problem, wait) = match self.once(url) {
                Ok(page) => return Ok(page),
                Err(Failed::Always(error)) => return Err(error),
                Err(Failed::Now { problem, wait }) => (problem, wait.unwrap_or(backoff)),
            };
            if number < tries {
                let event =
                    Event::Retry { problem: problem.clone(), wait, next_try: number + 1, tries };
                tell(event);
                thread::sleep(wait);
                backoff *= 2;
            }
            last = problem;
        }
        Err(FetchError::GaveUp { url: url.to_owned(), problem: last, tries })
    }

    fn once(&self, url: &str) -> Result<Page, Failed> {
        let mut response = self.agent.get(url).call().map_err(|error| failed(url, error))?;
        let status = response.status();
        if status != StatusCode::OK {
            let asked = response.headers().get("Retry-After");
            let asked = asked.and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
            let body = response.body_mut().with_config().limit(1 << 16).read_to_string();
            return Err(self.status(url, status, asked, &body.unwrap_or_default()));
        }
        let body = response.body_mut().with_config().limit(MAX_BYTES).read_to_string();
        let body = body.map_err(|error| failed(url, error))?;
        serde_json::from_str(&body).map_err(|error| {
            let (url, problem) = (url.to_owned(), format!("{error} in `{}`", start(&body)));
            Failed::Always(FetchError::NotAPage { url, problem })
        })
    }

    /// What an answer other than 200 means.
    fn status(&self, url: &str, status: StatusCode, asked: Option<u64>, body: &str) -> Failed {
        let said = if body.trim().is_empty() { String::new() } else { start(body) };
        let problem = format!("answer {status}{}{said}", if said.is_empty() { "" } else { ": " });
        let url = url.to_owned();
        let crowded = status == StatusCode::TOO_MANY_REQUESTS;
        if !(crowded || status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT) {
            let next = "check --url, and whether a proxy answers in its place";
            return Failed::Always(FetchError::Refused { url, problem, next });
        }
        let asked = asked.map(Duration::from_secs);
        if let Some(wait) = asked.filter(|wait| *wait > self.patience.longest_wait) {
            let problem = format!("{problem}; it asks to wait {} s", wait.as_secs());
            let next = "try again after that time";
            return Failed::Always(FetchError::Refused { url, problem, next });
        }
        Failed::Now { problem, wait: asked.or(crowded.then_some(self.patience.crowded_wait)) }
    }
}

/// Whether a request that brought no answer may go better next time.
fn failed(url: &str, error: ureq::Error) -> Failed {
    use std::io::ErrorKind;
    let transient = match &error {
        ureq::Error::Timeout(_) | ureq::Error::Protocol(_) | ureq::Error::ConnectionFailed => true,
        // A certificate that is not trusted comes as invalid data.
        ureq::Error::Io(error) => error.kind() != ErrorKind::InvalidData,
        _ => false,
    };
    let problem = error.to_string();
    if transient {
        return Failed::Now { problem, wait: None };
    }
    let next = match &error {
        ureq::Error::HostNotFound => "check the network, the proxy (HTTPS_PROXY) and --url",
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) | ureq::Error::Io(_) => {
            "the system's certificates decide whom to trust: install ca-certificates, or name a \
             file of them in SSL_CERT_FILE"
        }
        _ => "check --url and the proxy (HTTPS_PROXY, NO_PROXY)",
    };
    Failed::Always(FetchError::Refused { url: url.to_owned(), problem, next })
}

/// The start of an answer, on one line.
fn start(body: &str) -> String {
    let line: Vec<&str> = body.split_whitespace().collect();
    let line = line.join(" ");
    let cut: String = line.chars().take(SHOWN_CHARS).collect();
    if cut.len() < line.len() { format!("{cut} …") } else { cut }
}
