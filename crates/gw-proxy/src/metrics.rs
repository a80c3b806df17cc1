//! Counters for Prometheus. Every label has a bounded set of values: names that the declarations
//! give, and words that this program gives; nothing that a caller chooses.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use parking_lot::RwLock;

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) refused_connections: Counter,
    pub(crate) shed_connections: Counter,
    pub(crate) failed_handshakes: Counter,
    pub(crate) unreadable_requests: Counter,
    pub(crate) loaded: Counter,
    pub(crate) not_loaded: Counter,
    /// The generation that is served, 0 for none.
    pub(crate) generation: Counter,
    /// By API and outcome.
    calls: RwLock<BTreeMap<String, BTreeMap<&'static str, Series>>>,
}

/// What is counted of the calls that ended in one way.
#[derive(Debug, Default)]
pub(crate) struct Series {
    count: Counter,
    sum_us: Counter,
    buckets: [Counter; BOUNDS_MS.len()],
}

const BOUNDS_MS: [u64; 10] = [1, 2, 5, 10, 25, 50, 100, 500, 2_500, 10_000];

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Metrics {
    /// Counts one call. `outcome` is one of the reasons of [`crate::respond`].
    pub(crate) fn call(&self, api: &str, outcome: &'static str, took: Duration) {
        if let Some(series) = self.calls.read().get(api).and_then(|of_api| of_api.get(outcome)) {
            return series.add(took);
        }
        let mut calls = self.calls.write();
        calls.entry(api.to_owned()).or_default().entry(outcome).or_default().add(took);
    }

    /// Forgets the APIs that are not served any more, so that names never pile up.
    pub(crate) fn keep(&self, served: impl Fn(&str) -> bool) {
        self.calls.write().retain(|api, _| api.is_empty() || served(api));
    }

    /// The text form of Prometheus.
    pub(crate) fn render(&self, lost: u64) -> String {
        let mut text = String::new();
        let plain = [
            (
                "gatewright_generation",
                "gauge",
                "Number of the generation served, 0 for none.",
                self.generation.get(),
            ),
            (
                "gatewright_generations_loaded_total",
                "counter",
                "Generations taken.",
                self.loaded.get(),
            ),
            (
                "gatewright_generations_refused_total",
                "counter",
                "Generations not taken.",
                self.not_loaded.get(),
            ),
            (
                "gatewright_connections_refused_total",
                "counter",
                "Connections over the bound.",
                self.refused_connections.get(),
            ),
            (
                "gatewright_connections_shed_total",
                "counter",
                "Connections closed, with nothing under way, to make room for others.",
                self.shed_connections.get(),
            ),
            (
                "gatewright_handshakes_failed_total",
                "counter",
                "TLS handshakes that failed.",
                self.failed_handshakes.get(),
            ),
            (
                "gatewright_requests_unreadable_total",
                "counter",
                "Connections closed because what came was no request.",
                self.unreadable_requests.get(),
            ),
            (
                "gatewright_decisions_lost_total",
                "counter",
                "Decisions that the log did not keep.",
                lost,
            ),
        ];
        for (name, kind, help, value) in plain {
            // Writing to a `String` cannot fail.
            let _written =
                write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
        }
        let name = "gatewright_call_duration_seconds";
        let _written = write!(
            text,
            "# HELP {name} Time from the request's head to the answer's head.\n# TYPE {name} histogram\n"
        );
        let calls = self.calls.read();
        for (api, of_api) in &*calls {
            for (outcome, series) in of_api {
                series.render(&mut text, name, &format!("api=\"{api}\",outcome=\"{outcome}\""));
            }
        }
        text
    }
}

impl Series {
    fn add(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.count.add(1);
        self.sum_us.add(us);
        if let Some((bucket, _)) =
            self.buckets.iter().zip(BOUNDS_MS).find(|(_, bound)| us <= bound * 1_000)
        {
            bucket.add(1);
        }
    }

    fn render(&self, text: &mut String, name: &str, labels: &str) {
        let mut below = 0;
        for (bucket, bound) in self.buckets.iter().zip(BOUNDS_MS) {
            below += bucket.get();
            let le = Seconds { us: bound * 1_000 };
            let _written = writeln!(text, "{name}_bucket{{{labels},le=\"{le}\"}} {below}");
        }
        let (count, sum) = (self.count.get(), Seconds { us: self.sum_us.get() });
        let _written = write!(
            text,
            "{name}_bucket{{{labels},le=\"+Inf\"}} {count}\n{name}_sum{{{labels}}} {sum}\n{name}_count{{{labels}}} {count}\n"
        );
    }
}

/// Microseconds, written as seconds without rounding.
struct Seconds {
    us: u64,
}

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:06}", self.us / 1_000_000, self.us % 1_000_000)
    }
}

#[cfg(test)]
mod tests;
