//! Grace periods: to know when every section that is open now has ended.
//!
//! For things that are not objects: an index, a descriptor, a DMA channel, a
//! module to be unloaded. Three forms, as in the kernel's RCU:
//!
//! | here | kernel | |
//! |---|---|---|
//! | [`Handle::synchronize`] | `synchronize_rcu` | waits |
//! | [`Handle::start_grace_period`], [`Token::poll`] | `start_poll_synchronize_rcu`, `poll_state_synchronize_rcu` | never waits |
//! | [`Callback::call_later`] | `call_rcu` | calls a function |
//!
//! A grace period is a walk along the slots: after a heavy barrier, each slot
//! is passed when its section was seen over, which its number tells. So a
//! token is plain data, and nothing is left in the collector.

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
#[must_use = "a grace period is of use when it is polled"]
pub struct Token {
    /// The address of the collector.
    of: usize,
    /// Slots before it are done.
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

    /// Goes on along the slots; true at the end. `except` is a slot that need
    /// not be waited for.
    fn advance<S: Scheme>(&mut self, local: &Local<'_, S>, except: usize) -> bool {
        while let Some(seen) = local.global().wait_at(self.slot, self.section) {
            match seen {
                Err(_) if self.slot == except => self.slot += 1,
                Ok(()) => {
                    self.slot += 1;
                    self.section = None;
                }
                Err(section) => {
                    self.section = Some(section);
                    return false;
                }
            }
        }
        // Slots that are claimed for the first time later do not count.
        self.slot = usize::MAX;
        true
    }

    /// Whether every section that was open at the start has ended. May be
    /// called at any later time, in any context, with any handle of the
    /// collector. Runs no reclaimer, never waits, and once it has answered yes
    /// it always does. O(N) in all between the start and the end.
    ///
    /// Of each slot it waits for the section that is open when the first call
    /// that looks at it returns, and for one that begins later, at most.
    ///
    /// # Panics
    ///
    /// If the handle is one of another collector, which knows nothing of the
    /// sections that were open.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let handle = collector.register()?;
    /// let mut token = handle.start_grace_period();
    /// assert!(token.poll(&handle));
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn poll<S: Scheme, R: Role>(&mut self, handle: &Handle<'_, S, R>) -> bool {
        assert!(
            handle.local().global().addr() == self.of,
            "the token is of another collector; poll it with a handle of the one it was started with"
        );
        self.advance(handle.local(), usize::MAX)
    }
}

impl<S: Scheme, R: Role> Handle<'_, S, R> {
    /// Starts a grace period: a token that can be polled until every section
    /// that is open now has ended. Costs the heavy barrier; never waits, and
    /// cannot fail.
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
    /// whenever there is nothing to do but to wait: spin, yield, `wfe`, a
    /// delay of the RTOS. Runs no reclaimer.
    ///
    /// Blocking; constant stack; the heavy barrier, and O(N) between two calls
    /// of `relax`. If `relax` panics, it waits on, spinning, and then unwinds.
    ///
    /// # Errors
    ///
    /// [`WouldDeadlock`] under a guard of this handle, or in a reclaimer that
    /// runs on it: what waits there may be what is waited for.
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
    pub fn synchronize(&self, mut relax: impl FnMut()) -> Result<(), WouldDeadlock> {
        let local = self.local();
        if local.is_open() || local.is_draining() {
            return Err(WouldDeadlock);
        }
        let mut wait = Wait {
            token: Token::start(local),
            local,
        };
        while !wait.advance() {
            relax();
        }
        Ok(())
    }
}

/// The wait of `synchronize`. It ends no earlier if `relax` panics: what the
/// caller's frames drop then must not be dropped under a reader's eyes.
struct Wait<'a, 'c, S: Scheme> {
    token: Token,
    local: &'a Local<'c, S>,
}

impl<S: Scheme> Wait<'_, '_, S> {
    /// The own section was not open at the start. One that `relax` leaves open
    /// is not waited for.
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

/// The callback is under way.
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
            "an earlier call uses this callback; flush an eager handle until it has run, or use another static",
        )
    }
}

impl core::error::Error for Busy {}

/// `synchronize` would wait for its own caller.
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
        f.write_str("synchronize would wait for its own caller; drop the handle's guards first, and do not call it in a reclaimer")
    }
}

impl core::error::Error for WouldDeadlock {}
