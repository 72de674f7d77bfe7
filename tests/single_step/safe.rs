//! The structures of the safe layer: what their worlds share.

#[path = "safe/cells.rs"]
pub mod cells;
#[path = "safe/lists.rs"]
pub mod lists;
#[path = "safe/maps.rs"]
pub mod maps;

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::*};

use hyaline::{
    Nested,
    safe::{Domain, Handle, PerCpu},
};

use super::Tokens;

const DEAD: u32 = 0xDEAD_DEAD;

/// A value that detects a read after its drop.
pub struct Value {
    pub plain: Plain,
    ledger: &'static Ledger,
}

/// One without a destructor, so that it is reclaimed in any context.
pub struct Plain {
    stamp: AtomicU32,
    check: AtomicU32,
}

#[derive(Default)]
pub struct Ledger {
    stamps: AtomicU32,
    made: AtomicUsize,
    dropped: AtomicUsize,
    early: AtomicUsize,
}

impl Ledger {
    /// Records that something held has changed.
    pub fn note(&self) {
        self.early.fetch_add(1, SeqCst);
    }
}

impl Plain {
    pub fn new(ledger: &'static Ledger) -> Self {
        let stamp = ledger.stamps.fetch_add(1, SeqCst);
        Self {
            stamp: AtomicU32::new(stamp),
            check: AtomicU32::new(!stamp),
        }
    }

    /// Reads the stamp, and counts a torn or dead value.
    pub fn look(&self, ledger: &Ledger) -> u32 {
        let (stamp, check) = (self.stamp.load(SeqCst), self.check.load(SeqCst));
        if stamp != !check || stamp == DEAD {
            ledger.note();
        }
        stamp
    }

    /// Reads again, and checks that the value is the same.
    pub fn same(&self, ledger: &Ledger, stamp: u32) {
        if self.look(ledger) != stamp {
            ledger.note();
        }
    }
}

impl Value {
    pub fn new(ledger: &'static Ledger) -> Self {
        ledger.made.fetch_add(1, SeqCst);
        Self {
            plain: Plain::new(ledger),
            ledger,
        }
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.plain.look(self.ledger);
        self.plain.stamp.store(DEAD, SeqCst);
        self.plain.check.store(!DEAD, SeqCst);
        self.ledger.dropped.fetch_add(1, SeqCst);
    }
}

impl Clone for Plain {
    fn clone(&self) -> Self {
        let [stamp, check] = [&self.stamp, &self.check].map(|word| word.load(SeqCst).into());
        Self { stamp, check }
    }
}

/// The handles of a world, and the ledger of its values.
pub struct Base<D: Domain> {
    pub cpu: PerCpu<D>,
    pub high: Handle<D>,
    pub idle: Handle<D>,
    pub ledger: &'static Ledger,
    pub tokens: Tokens,
}

impl<D: Domain> Base<D> {
    fn new() -> Self {
        Self {
            cpu: D::register_per_cpu().unwrap(),
            high: D::register().unwrap(),
            idle: D::register().unwrap(),
            ledger: Box::leak(Box::default()),
            tokens: Tokens::default(),
        }
    }

    fn cpu(&self) -> &Handle<D, Nested> {
        // SAFETY: one thread, and contexts that nest strictly.
        unsafe { self.cpu.get() }
    }

    fn value(&self) -> Value {
        Value::new(self.ledger)
    }

    fn plain(&self) -> Plain {
        Plain::new(self.ledger)
    }

    fn look(&self, value: &Value) -> u32 {
        value.plain.look(self.ledger)
    }

    /// Checks again that it is the same.
    fn same(&self, value: &Value, stamp: u32) {
        value.plain.same(self.ledger, stamp);
    }

    /// Eras that pass before a run.
    fn pass_eras(&self, round: u64) {
        for _ in 0..round / 4 % 8 {
            let _ = self.high.link(0);
        }
    }

    fn grace(&self) {
        let token = self.tokens.take(0);
        let mut token = token.unwrap_or_else(|| self.cpu().start_grace_period());
        if !token.poll(self.cpu()) {
            self.tokens.keep(0, token);
        }
    }

    /// At rest: one collect leaves nothing but the values that are `in_use`.
    fn check(&self, in_use: usize) -> Result<(), String> {
        self.idle.collect();
        let pending = self.high.collector().stats().pending();
        let over = self
            .tokens
            .take(0)
            .is_none_or(|mut token| token.poll(&self.high));
        let early = self.ledger.early.swap(0, SeqCst);
        if early > 0 {
            return Err(format!("{early} values changed while held"));
        }
        let made = self.ledger.made.load(SeqCst);
        let alive = made.wrapping_sub(self.ledger.dropped.load(SeqCst));
        self.ledger.made.store(in_use, SeqCst);
        self.ledger.dropped.store(0, SeqCst);
        if pending > 0 || !over || alive != in_use {
            return Err(format!(
                "{pending} objects are pending, {alive} values alive, {in_use} in use; \
                 the grace period is over: {over}"
            ));
        }
        Ok(())
    }
}

/// A world with its handles.
macro_rules! of_base {
    ($World:ident) => {
        impl<D: Domain> std::ops::Deref for $World<D> {
            type Target = super::Base<D>;

            fn deref(&self) -> &Self::Target {
                &self.base
            }
        }

        impl<D: Domain> $World<D> {
            /// The same, as the statics that the structures require.
            fn leaked(&self) -> &'static Self {
                // SAFETY: `new` leaks it.
                unsafe { &*std::ptr::from_ref(self) }
            }
        }
    };
}
use of_base;
