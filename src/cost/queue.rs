//! Waiting before a server is free: M/G/c by Allen and Cunneen, on Erlang's C.
//!
//! Sources: A. O. Allen, Probability, Statistics and Queueing Theory (1990), §5.2 and §5.3; for one
//! server the mean is exact (Pollaczek and Khinchine), for exponential service the whole
//! distribution is (Erlang). The tail of the wait is taken as exponential, which it is exactly for
//! exponential service.

/// Below this share of delayed requests nobody waits; it also bounds the work of [`erlang_c`].
const NEGLIGIBLE: f64 = 1e-12;

/// Servers in parallel before which one queue forms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Queue {
    /// Servers, at least 1.
    pub servers: f64,
    /// Seconds that a server takes for one request, by mean.
    pub service_s: f64,
    /// Squared coefficient of variation of the service time: 0 for constant times, 1 for
    /// exponential ones.
    pub service_scv: f64,
}

impl Queue {
    /// Share of the servers in use at `arrivals_per_s`.
    pub fn utilisation(&self, arrivals_per_s: f64) -> f64 {
        arrivals_per_s * self.service_s / self.servers
    }

    /// Probability that a request has to wait (Erlang's C); 1 where the servers cannot keep up.
    pub fn delayed(&self, arrivals_per_s: f64) -> f64 {
        erlang_c(self.servers, arrivals_per_s * self.service_s)
    }

    /// Mean seconds of those who wait; infinite where the servers cannot keep up.
    ///
    /// (1 + scv) / 2 ÷ (c·µ − λ): Allen and Cunneen's factor for Poisson arrivals on the mean of
    /// M/M/c.
    fn wait_of_delayed_s(&self, arrivals_per_s: f64) -> f64 {
        let spare_per_s = self.servers / self.service_s - arrivals_per_s;
        if spare_per_s > 0.0 { (1.0 + self.service_scv) / 2.0 / spare_per_s } else { f64::INFINITY }
    }

    /// Mean seconds of waiting over all requests.
    pub fn mean_wait_s(&self, arrivals_per_s: f64) -> f64 {
        let delayed = self.delayed(arrivals_per_s);
        if delayed > 0.0 { delayed * self.wait_of_delayed_s(arrivals_per_s) } else { 0.0 }
    }

    /// Seconds that a share `percentile` of the requests waits at most: t with
    /// C · exp(−t / mean wait of the delayed) = 1 − percentile.
    pub fn wait_s(&self, arrivals_per_s: f64, percentile: f64) -> f64 {
        let late = 1.0 - percentile;
        let delayed = self.delayed(arrivals_per_s);
        if delayed <= late {
            return 0.0;
        }
        self.wait_of_delayed_s(arrivals_per_s) * (delayed / late).ln()
    }
}

/// Probability that all of `servers` are busy with `offered` erlangs of load (arrival rate × service
/// time), where whoever comes waits; 1 where offered ≥ servers.
///
/// 1/C = (1 − ρ)/B + ρ with Erlang's B from 1/B = Σ_j c·(c−1)⋯(c−j+1) / a^j. The terms of that sum
/// rise while c − j > a, so it is cut as soon as it proves C negligible.
pub fn erlang_c(servers: f64, offered: f64) -> f64 {
    if offered <= 0.0 {
        return 0.0;
    }
    let busy = offered / servers;
    if busy >= 1.0 || busy.is_nan() {
        return 1.0;
    }
    let (mut term, mut inverse_b, mut left) = (1.0, 1.0, servers);
    while left >= 1.0 {
        term *= left / offered;
        inverse_b += term;
        left -= 1.0;
        if (1.0 - busy) * inverse_b > 1.0 / NEGLIGIBLE {
            return 0.0;
        }
        if term < inverse_b * 1e-17 {
            break;
        }
    }
    1.0 / ((1.0 - busy) * inverse_b + busy)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() <= 1e-9 * b.abs().max(1e-12), "{a} is not {b}");
    }

    #[test]
    fn one_server_has_the_known_waits() {
        // M/M/1, service 1 s, 0.8 a second: delayed 0.8, mean wait 0.8 / 0.2 = 4 s,
        // 99 % within ln(0.8 / 0.01) / 0.2 = 21.91 s.
        let exponential = Queue { servers: 1.0, service_s: 1.0, service_scv: 1.0 };
        close(exponential.delayed(0.8), 0.8);
        close(exponential.mean_wait_s(0.8), 4.0);
        close(exponential.wait_s(0.8, 0.99), 80f64.ln() / 0.2);
        // M/D/1: half of it, 0.8 / (2 · 0.2) = 2 s.
        let constant = Queue { service_scv: 0.0, ..exponential };
        close(constant.mean_wait_s(0.8), 2.0);
        close(constant.wait_s(0.8, 0.99), 80f64.ln() / 0.4);
        // Fewer are delayed than may be late: nobody who counts waits.
        close(constant.wait_s(0.005, 0.99), 0.0);
        assert_eq!(constant.wait_s(1.0, 0.99), f64::INFINITY);
    }

    #[test]
    fn erlang_c_has_the_textbook_values() {
        // Two servers, 1 erlang: B = (1/2)/(1 + 1 + 1/2) = 0.2, C = 0.2 / (1 − 0.5 · 0.8) = 1/3.
        close(erlang_c(2.0, 1.0), 1.0 / 3.0);
        // Three servers, 2 erlangs: B = (8/6)/(1 + 2 + 2 + 8/6) = 4/19, C = B/(1 − 2/3 · 15/19) = 4/9.
        close(erlang_c(3.0, 2.0), 4.0 / 9.0);
        assert_eq!((erlang_c(4.0, 0.0), erlang_c(4.0, 4.0)), (0.0, 1.0));
        // M/M/2 at 1 erlang: mean wait C / (c·µ − λ) = (1/3) / (2 − 1).
        let two = Queue { servers: 2.0, service_s: 1.0, service_scv: 1.0 };
        close(two.mean_wait_s(1.0), 1.0 / 3.0);
    }

    #[test]
    fn very_many_servers_are_quick_to_judge() {
        assert_eq!(erlang_c(1e9, 0.7e9), 0.0);
        // Halfin and Whitt: at β = (1 − ρ)·√c = 1, C → 1 / (1 + β·Φ(β)/φ(β))
        // = 1 / (1 + 0.841345 / 0.241971) = 0.22336.
        let c = 1e8;
        assert!((erlang_c(c, c * (1.0 - 1e-4)) - 0.22336).abs() < 1e-4);
    }

    proptest! {
        #[test]
        fn more_servers_or_fewer_requests_never_wait_longer(
            servers in 1u32..300, load in 0.01..0.99f64, more in 1u32..50, less in 0.1..1.0f64,
        ) {
            let queue = |servers: u32| Queue { servers: f64::from(servers), service_s: 0.3, service_scv: 0.0 };
            let rate = load * f64::from(servers) / 0.3;
            let wait = queue(servers).wait_s(rate, 0.99);
            prop_assert!(queue(servers + more).wait_s(rate, 0.99) <= wait * (1.0 + 1e-9));
            prop_assert!(queue(servers).wait_s(rate * less, 0.99) <= wait * (1.0 + 1e-9));
        }
    }
}
