//! Grace periods: wait until every section that is open now has ended.
//!
//! For things that are not objects: an index, a descriptor, a DMA channel, a
//! module to be unloaded. There are four forms, as in the Linux kernel's RCU:
//!
//! | here | kernel | |
//! |---|---|---|
//! | [`Handle::synchronize`] | `synchronize_rcu` | waits |
//! | [`Handle::start_grace_period`], [`Token::poll`] | `start_poll_synchronize_rcu`, `poll_state_synchronize_rcu` | never waits |
//! | [`Token::wait`] | `cond_synchronize_rcu` | waits for what is left |
//! | [`Callback::call_later`] | `call_rcu` | calls a function |
//!
//! A grace period is a walk along the slots. After a heavy barrier, each slot
//! is passed when its section is seen over, by its depth or its number. So a
//! token is plain data, and the collector keeps nothing of it.

mod callback;

use core::fmt;

pub use callback::Callback;

use crate::{Eager, Handle, Role, Scheme, raw::Local};

/// A grace period that was started, by [`Handle::start_grace_period`].
///
/// Plain data: it may be kept anywhere, copied, sent and dropped.
///
/// ```
/// let collector = hyaline::Collector::<1>::new();
/// let handle = collector.register()?;
/// let token = handle.start_grace_period();
/// let mut copy = token; // kept elsewhere
/// assert!(copy.poll(&handle));
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "a grace period does nothing unless it is polled"]
pub struct Token {
    /// The address of the collector.
    of: usize,
    /// The walk has passed the slots before this one.
    slot: usize,
    /// The section of this slot that is waited for.
    section: Option<usize>,
}

impl Token {
    /// A grace period that starts now.
    fn start<S: Scheme>(local: &Local<'_, S>) -> Self {
        local.global().start_grace_period();
        Self {
            of: local.global().addr(),
            slot: 0,
            section: None,
        }
    }

    /// Advances along the slots; true at the end. Does not wait at slot
    /// `except`.
    fn advance<S: Scheme>(&mut self, local: &Local<'_, S>, except: usize) -> bool {
        while let Some(seen) = local.global().wait_at(self.slot, self.section) {
            match seen {
                Err(section) if self.slot != except => {
                    self.section = Some(section);
                    return false;
                }
                _ => {
                    self.slot += 1;
                    self.section = None;
                }
            }
        }
        // A slot that is claimed for the first time later has no section that
        // was open at the start.
        self.slot = usize::MAX;
        true
    }

    /// Whether every section that was open at the start has ended. May be
    /// called at any later time, in any context, with any handle of the
    /// collector. Runs no reclaimer and never waits. Once it has returned true
    /// it always does. O(N) in total over all calls.
    ///
    /// At each slot it waits for the section that is open when the first call
    /// that checks it returns, and for at most one that begins later (on a per-CPU
    /// slot, whose contexts may set the number back, possibly more).
    /// Sections are told apart by a number, which is incremented between two
    /// sections if another thread waits, and repeats after 256 increments on
    /// 64-bit targets (2^16 on 32 bits, 2^8 on 16). If the slot is open with the
    /// same number at two calls, the token waits for that section too: it is
    /// delayed until the next call that finds the slot idle or with another
    /// number. It never returns true too early.
    ///
    /// # Panics
    ///
    /// If the handle belongs to another collector, whose slots tell nothing about
    /// the sections that were open. A collector is known by its address: do not move
    /// one for which tokens are kept.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let handle = collector.register()?;
    /// let mut token = handle.start_grace_period();
    /// assert!(token.poll(&handle));
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn poll<S: Scheme, R: Role>(&mut self, handle: &Handle<'_, S, R>) -> bool {
        self.check(handle);
        self.advance(handle.local(), usize::MAX)
    }

    /// Waits until every section that was open at the start has ended: calls
    /// `relax` between two looks, as [`Handle::synchronize`] does. Returns at once
    /// if that is long ago.
    ///
    /// # Errors
    ///
    /// [`WouldDeadlock`] if the handle has an open guard, or in a reclaimer that
    /// runs on it. The token can still be polled.
    ///
    /// # Panics
    ///
    /// If the handle belongs to another collector. If `relax` panics, as in
    /// `synchronize`.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let handle = collector.register()?;
    /// let mut token = handle.start_grace_period();
    /// // ... other work meanwhile
    /// token.wait(&handle, std::thread::yield_now)?;
    /// assert!(token.poll(&handle));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait<S: Scheme>(
        &mut self,
        handle: &Handle<'_, S>,
        mut relax: impl FnMut(),
    ) -> Result<(), WouldDeadlock> {
        self.check(handle);
        let local = handle.local();
        if local.is_open() || local.is_draining() {
            return Err(WouldDeadlock);
        }
        let mut wait = Wait { token: self, local };
        while !wait.advance() {
            relax();
        }
        Ok(())
    }

    /// [`wait`](Self::wait), with a strategy of the crate `spin`.
    ///
    /// # Errors
    ///
    /// [`WouldDeadlock`], as `wait`.
    ///
    /// # Panics
    ///
    /// If the handle belongs to another collector.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let handle = collector.register()?;
    /// let mut token = handle.start_grace_period();
    /// token.wait_with(&handle, spin::Spin)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "spin")]
    pub fn wait_with<S: Scheme>(
        &mut self,
        handle: &Handle<'_, S>,
        strategy: impl spin::RelaxStrategy,
    ) -> Result<(), WouldDeadlock> {
        self.wait(handle, relaxes(strategy))
    }

    fn check<S: Scheme, R: Role>(&self, handle: &Handle<'_, S, R>) {
        assert!(
            handle.local().global().addr() == self.of,
            "the token belongs to another collector; poll it with a handle of the collector that started it"
        );
    }
}

/// The function of a strategy.
#[cfg(feature = "spin")]
fn relaxes<X: spin::RelaxStrategy>(_: X) -> fn() {
    X::relax
}

impl<S: Scheme, R: Role> Handle<'_, S, R> {
    /// Starts a grace period: returns a token that can be polled until every
    /// section that is open now has ended. Cannot fail.
    ///
    /// Executes the [heavy barrier](crate::guide::glossary#heavy-barrier), and
    /// nothing else. So it may be called in interrupts, in NMIs and with
    /// interrupts masked only if the collector's barrier may be executed there:
    /// if its [`HEAVY_IN_INTERRUPTS`](crate::Barrier::HEAVY_IN_INTERRUPTS) is
    /// true, as that of [`Fences`](crate::Fences) and
    /// [`SingleCore`](crate::SingleCore) is.
    ///
    /// ```
    /// let collector = hyaline::Collector::<2>::new();
    /// let (reader, writer) = (collector.register()?, collector.register()?);
    /// let guard = reader.enter();
    /// let mut token = writer.start_grace_period();
    /// assert!(!token.poll(&writer));
    /// drop(guard);
    /// assert!(token.poll(&writer));
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn start_grace_period(&self) -> Token {
        Token::start(self.local())
    }
}

impl<S: Scheme> Handle<'_, S, Eager> {
    /// Waits until every section that is open now has ended. Calls `relax`
    /// repeatedly while it waits: to spin, to yield, for `wfe` or an RTOS delay.
    /// Runs no reclaimer.
    ///
    /// Blocking; constant stack; one heavy barrier, and O(N) between two calls
    /// of `relax`. If `relax` panics, the call spins until the grace period has
    /// ended, and then unwinds.
    ///
    /// # Errors
    ///
    /// [`WouldDeadlock`] under a guard of this handle, or in a reclaimer that
    /// runs on it: the call might wait for its own caller.
    ///
    /// ```
    /// use hyaline::Collector;
    /// use spin::relax::{RelaxStrategy, Spin};
    ///
    /// let collector = Collector::<1>::new();
    /// let handle = collector.register()?;
    /// assert!(handle.synchronize(Spin::relax).is_ok());
    /// let guard = handle.enter();
    /// assert!(handle.synchronize(Spin::relax).is_err());
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn synchronize(&self, relax: impl FnMut()) -> Result<(), WouldDeadlock> {
        self.start_grace_period().wait(self, relax)
    }

    /// [`synchronize`](Self::synchronize), with a strategy of the crate `spin`.
    ///
    /// # Errors
    ///
    /// [`WouldDeadlock`], as `synchronize`.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let handle = collector.register()?;
    /// assert!(handle.synchronize_with(spin::Spin).is_ok());
    /// let guard = handle.enter();
    /// assert!(handle.synchronize_with(spin::Spin).is_err());
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[cfg(feature = "spin")]
    pub fn synchronize_with(
        &self,
        strategy: impl spin::RelaxStrategy,
    ) -> Result<(), WouldDeadlock> {
        self.synchronize(relaxes(strategy))
    }
}

/// The wait of `synchronize`. A panic of `relax` does not shorten it: unwinding
/// may drop what readers still use.
struct Wait<'a, 'c, S: Scheme> {
    token: &'a mut Token,
    local: &'a Local<'c, S>,
}

impl<S: Scheme> Wait<'_, '_, S> {
    /// Does not wait at the caller's slot: its section is not open when the wait
    /// begins, so what was open at the start has ended, and `relax` may leave one
    /// open.
    fn advance(&mut self) -> bool {
        self.token.advance(self.local, self.local.index())
    }
}

impl<S: Scheme> Drop for Wait<'_, '_, S> {
    fn drop(&mut self) {
        while !self.advance() {
            core::hint::spin_loop();
        }
    }
}

/// The callback is pending: an earlier call has not run yet.
///
/// ```
/// use hyaline::{Busy, Callback, Collector};
///
/// static CALLBACK: Callback = Callback::new();
///
/// let collector = Collector::<1>::new();
/// let handle = collector.register()?;
/// let guard = handle.enter();
/// assert_eq!(CALLBACK.call_later(&handle, |_| {}, 0), Ok(()));
/// assert_eq!(CALLBACK.call_later(&handle, |_| {}, 0), Err(Busy));
/// # drop(guard);
/// # handle.collect();
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Busy;

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "an earlier call of this callback is pending; flush an eager handle until it has run, or use another static",
        )
    }
}

impl core::error::Error for Busy {}

/// [`Handle::synchronize`] or [`Token::wait`] would wait for its own caller.
///
/// ```
/// use hyaline::{Collector, WouldDeadlock};
///
/// let collector = Collector::<1>::new();
/// let handle = collector.register()?;
/// let guard = handle.enter();
/// assert_eq!(handle.synchronize(|| {}), Err(WouldDeadlock));
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct WouldDeadlock;

impl fmt::Display for WouldDeadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the call would wait for its own caller; drop the handle's guards first, and do not wait in a reclaimer",
        )
    }
}

impl core::error::Error for WouldDeadlock {}
