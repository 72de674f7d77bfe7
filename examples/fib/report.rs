//! The output of a run.

use std::fmt::Write;

use crate::fib::Reclamation;
use crate::run::Outcome;

/// All results of a run.
pub struct Report {
    pub table: String,
    pub robust: bool,
    /// Lines of the table.
    pub prefixes: usize,
    pub repeated: usize,
    pub nested: usize,
    pub nodes: usize,
    /// The size of a node.
    pub node_bytes: usize,
    /// Nodes that are neither in the table nor in the pool, after the run under
    /// hyaline.
    pub lost: usize,
    /// Nodes that are not in the pool when the table is empty again.
    pub left_over: usize,
    pub reclamation: Reclamation,
    /// Lookups of the whole-table checks.
    pub checked: u64,
    pub guarded: Outcome,
    pub locked: Outcome,
}

impl Report {
    fn mismatches(&self) -> u64 {
        self.guarded.mismatches + self.locked.mismatches
    }

    /// The failures, in words; nothing if all checks passed.
    pub fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        let runs = [("hyaline", &self.guarded), ("the lock", &self.locked)];
        for (name, outcome) in runs {
            if let Some(first) = &outcome.mismatch {
                let count = outcome.mismatches;
                failures.push(format!(
                    "{count} wrong answers under {name}, the first: {first}"
                ));
            }
        }
        if self.lost > 0 {
            failures.push(format!("{} nodes lost under hyaline", self.lost));
        }
        if self.left_over > 0 {
            let left_over = self.left_over;
            failures.push(format!(
                "{left_over} nodes left over when the table was empty"
            ));
        }
        if self.reclamation.pending() > 0 {
            let pending = self.reclamation.pending();
            failures.push(format!(
                "{pending} retired nodes pending after the last reader left"
            ));
        }
        failures
    }

    pub fn json(&self) -> String {
        let (guarded, locked) = (&self.guarded, &self.locked);
        let fields = [
            ("prefixes", self.prefixes as f64),
            ("repeated", self.repeated as f64),
            ("nested", self.nested as f64),
            ("nodes", self.nodes as f64),
            ("lookups", guarded.lookups as f64),
            ("lookups_per_s", guarded.lookups_per_s.round()),
            ("updates", guarded.updates as f64),
            ("updates_per_s", guarded.updates_per_s.round()),
            ("stalls", guarded.stalls as f64),
            ("rwlock_lookups", locked.lookups as f64),
            ("rwlock_lookups_per_s", locked.lookups_per_s.round()),
            ("rwlock_updates_per_s", locked.updates_per_s.round()),
            ("checked", self.checked as f64),
            ("mismatches", self.mismatches() as f64),
            ("lost", self.lost as f64),
            ("left_over", self.left_over as f64),
            ("retired", self.reclamation.retired as f64),
            ("reclaimed", self.reclamation.reclaimed as f64),
            ("pending", self.reclamation.pending() as f64),
            ("peak_pending", self.reclamation.peak_pending as f64),
        ];
        let fields = fields.map(|(name, value)| format!("\"{name}\":{value}"));
        let scheme = if self.robust { "robust" } else { "basic" };
        format!("{{\"scheme\":\"{scheme}\",{}}}", fields.join(","))
    }

    pub fn text(&self) -> String {
        let (guarded, locked) = (&self.guarded, &self.locked);
        let reclamation = &self.reclamation;
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            writeln!(text, "{name:<10} {value}").expect("a string takes everything");
        };
        line("table", self.table.clone());
        let (prefixes, nested, repeated) = (self.prefixes, self.nested, self.repeated);
        line(
            "",
            format!("{prefixes} prefixes, {nested} nested in another, {repeated} repeated"),
        );
        let (nodes, bytes) = (self.nodes, self.node_bytes);
        line("trie", format!("{nodes} nodes of {bytes} bytes"));

        let scheme = if self.robust {
            "hyaline (robust)"
        } else {
            "hyaline"
        };
        line("", format!("{scheme:>16} {:>16}", "spin::RwLock"));
        let rates = [
            ("lookups/s", guarded.lookups_per_s, locked.lookups_per_s),
            ("updates/s", guarded.updates_per_s, locked.updates_per_s),
        ];
        for (name, guarded, locked) in rates {
            line(name, format!("{guarded:>16.0} {locked:>16.0}"));
        }
        let counts = [
            ("retired", reclamation.retired),
            ("reclaimed", reclamation.reclaimed),
            ("pending", reclamation.pending()),
            ("peak", reclamation.peak_pending),
        ];
        for (name, count) in counts {
            line(name, format!("{count:>16}"));
        }
        let (lookups, checked) = (guarded.lookups + locked.lookups, self.checked);
        let mismatches = self.mismatches();
        line(
            "checked",
            format!("{lookups} lookups, and {checked} in the whole table: {mismatches} wrong"),
        );
        text.truncate(text.trim_end().len());
        text
    }
}
