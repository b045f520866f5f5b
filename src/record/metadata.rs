//! The VM size from the cloud's instance metadata: a fixed address that only VMs can reach.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;

/// Where all three clouds answer.
const ADDRESS: &str = "http://169.254.169.254";
/// Long for a service one hop away, short for a laptop that waits in vain.
const TIMEOUT: Duration = Duration::from_millis(300);
/// No answer of interest is longer.
const MAX_BYTES: u64 = 64 << 10;

/// Where this VM runs and what size it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placement {
    /// `azure`, `aws` or `gcp`.
    pub provider: &'static str,
    /// The service that said so.
    pub source: &'static str,
    /// VM size as the cloud names it.
    pub sku: String,
    /// Region.
    pub region: Option<String>,
}

/// Asks all clouds at once; `None` where none answers in time.
pub(super) fn ask() -> Option<Placement> {
    ask_at(ADDRESS)
}

fn ask_at(address: &str) -> Option<Placement> {
    // A proxy would answer for its own VM, or hang.
    let config = Agent::config_builder().proxy(None).timeout_global(Some(TIMEOUT));
    let agent: Agent = config.max_redirects(0).build().into();
    std::thread::scope(|scope| {
        let clouds = [azure, aws, gcp].map(|cloud| {
            let agent = &agent;
            scope.spawn(move || cloud(agent, address))
        });
        clouds.into_iter().filter_map(|cloud| cloud.join().ok().flatten()).next()
    })
}

/// Body of a successful GET.
fn get(agent: &Agent, url: &str, header: (&str, &str)) -> Option<String> {
    let mut response = agent.get(url).header(header.0, header.1).call().ok()?;
    response.body_mut().with_config().limit(MAX_BYTES).read_to_string().ok()
}

fn azure(agent: &Agent, address: &str) -> Option<Placement> {
    let url = format!("{address}/metadata/instance/compute?api-version=2021-02-01");
    let compute: Value = serde_json::from_str(&get(agent, &url, ("Metadata", "true"))?).ok()?;
    Some(Placement {
        provider: "azure",
        source: "azure-imds",
        sku: name(compute["vmSize"].as_str()?)?,
        region: compute["location"].as_str().and_then(name),
    })
}

fn aws(agent: &Agent, address: &str) -> Option<Placement> {
    let request = agent.put(format!("{address}/latest/api/token"));
    let request = request.header("X-aws-ec2-metadata-token-ttl-seconds", "60");
    let mut response = request.send_empty().ok()?;
    let token = response.body_mut().with_config().limit(MAX_BYTES).read_to_string().ok()?;
    let header = ("X-aws-ec2-metadata-token", token.trim());
    let item = |path: &str| get(agent, &format!("{address}/latest/meta-data/{path}"), header);
    // `m7i.4xlarge`: a dot tells it from whatever else may answer here.
    let sku = name(&item("instance-type")?).filter(|sku| sku.contains('.'))?;
    let region = item("placement/region").and_then(|region| name(&region));
    Some(Placement { provider: "aws", source: "aws-imds", sku, region })
}

fn gcp(agent: &Agent, address: &str) -> Option<Placement> {
    let item = |path: &str| {
        let url = format!("{address}/computeMetadata/v1/instance/{path}");
        get(agent, &url, ("Metadata-Flavor", "Google"))
    };
    // `projects/1/machineTypes/n2-standard-8` and `projects/1/zones/europe-west4-a`.
    let machine = item("machine-type")?;
    let sku = name(machine.split("machineTypes/").nth(1)?)?;
    let zone = item("zone").and_then(|zone| name(zone.rsplit('/').next()?));
    let region = zone.and_then(|zone| Some(zone.rsplit_once('-')?.0.to_owned()));
    Some(Placement { provider: "gcp", source: "gcp-metadata", sku, region })
}

/// `text` if it can be the name of a size or region; else something else answered.
fn name(text: &str) -> Option<String> {
    let text = text.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (!text.is_empty() && text.len() <= 64 && text.chars().all(plain)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::time::Instant;

    use super::*;

    /// A server that answers by request line and required header; 404 for all else.
    fn server(answers: &'static [(&str, &str, &str)]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                std::thread::spawn(move || {
                    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                    let head: Vec<String> = lines
                        .by_ref()
                        .map_while(Result::ok)
                        .take_while(|l| !l.is_empty())
                        .collect();
                    let has = |h: &str| head.iter().any(|l| l.eq_ignore_ascii_case(h));
                    let answer = answers.iter().find(|(request, header, _)| {
                        head.first().is_some_and(|l| l.starts_with(request)) && has(header)
                    });
                    let (status, body) = match answer {
                        Some((_, _, body)) => ("200 OK", *body),
                        None => ("404 Not Found", "no"),
                    };
                    let length = body.len();
                    let _ = write!(
                        stream,
                        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                    );
                });
            }
        });
        address
    }

    #[test]
    fn azure_is_asked_for_the_vm_size() {
        let address = server(&[(
            "GET /metadata/instance/compute?api-version=2021-02-01 ",
            "Metadata: true",
            r#"{"vmSize":"Standard_NC24ads_A100_v4","location":"westeurope","name":"secret"}"#,
        )]);
        let found = ask_at(&address).unwrap();
        assert_eq!((found.provider, found.source), ("azure", "azure-imds"));
        assert_eq!(found.sku, "Standard_NC24ads_A100_v4");
        assert_eq!(found.region.as_deref(), Some("westeurope"));
    }

    #[test]
    fn aws_is_asked_with_a_session_token() {
        let address = server(&[
            ("PUT /latest/api/token ", "X-aws-ec2-metadata-token-ttl-seconds: 60", "TOKEN"),
            (
                "GET /latest/meta-data/instance-type ",
                "X-aws-ec2-metadata-token: TOKEN",
                "g5.xlarge",
            ),
            (
                "GET /latest/meta-data/placement/region ",
                "X-aws-ec2-metadata-token: TOKEN",
                "eu-west-1",
            ),
        ]);
        let found = ask_at(&address).unwrap();
        assert_eq!((found.provider, found.sku.as_str()), ("aws", "g5.xlarge"));
        assert_eq!(found.region.as_deref(), Some("eu-west-1"));
    }

    #[test]
    fn gcp_is_asked_for_the_machine_type() {
        let address = server(&[
            (
                "GET /computeMetadata/v1/instance/machine-type ",
                "Metadata-Flavor: Google",
                "projects/12/machineTypes/g2-standard-8",
            ),
            (
                "GET /computeMetadata/v1/instance/zone ",
                "Metadata-Flavor: Google",
                "projects/12/zones/europe-west4-a",
            ),
        ]);
        let found = ask_at(&address).unwrap();
        assert_eq!((found.provider, found.sku.as_str()), ("gcp", "g2-standard-8"));
        assert_eq!(found.region.as_deref(), Some("europe-west4"));
    }

    #[test]
    fn nonsense_and_silence_are_no_placement() {
        let nonsense = server(&[
            ("GET /metadata", "Metadata: true", "<html>welcome</html>"),
            ("PUT /latest", "X-aws-ec2-metadata-token-ttl-seconds: 60", "T"),
            ("GET /latest", "X-aws-ec2-metadata-token: T", "<html>.</html>"),
        ]);
        assert_eq!(ask_at(&nonsense), None);
        // Accepts and never answers.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let start = Instant::now();
        assert_eq!(ask_at(&format!("http://{}", silent.local_addr().unwrap())), None);
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    }
}
