//! Grace periods: to know when every section that is active now has ended.
//!
//! For things that are not objects: an index, a descriptor, a DMA channel, a
//! module to be unloaded. Three forms, as in the kernel's RCU:
//!
//! | here | kernel | |
//! |---|---|---|
//! | [`Handle::synchronize`] | `synchronize_rcu` | waits |
//! | [`Grace::start`], [`Token::poll`] | `start_poll_synchronize_rcu`, `poll_state_synchronize_rcu` | never waits |
//! | [`Callback::call_later`] | `call_rcu` | calls a function |
//!
//! There is no counter of sections or of periods, so nothing wraps: a token
//! may be polled after any time. A link, in memory of the caller's, is pushed
//! onto the inbox of one active slot after the other, as if it were a batch of
//! one object with one reference; whoever drops the reference sets the state.

mod callback;

use core::fmt;

pub use callback::Callback;

use crate::{
    AsLink, Eager, Handle, Link, Scheme,
    sync::{AtomicUsize, Ordering, const_fn},
};

/// Nobody uses it.
const FREE: usize = 0;
/// A token has it, and its link is nowhere.
const HELD: usize = 1;
/// A token has it, and its link is in an inbox.
const WAITING: usize = 2;
/// Its link is in an inbox, and its token was dropped.
const ABANDONED: usize = 3;

/// The memory of a token: a `static`, or part of one.
#[repr(C)]
pub struct Grace {
    link: Link,
    state: AtomicUsize,
}

// SAFETY: `repr(C)`, and the link comes first.
unsafe impl AsLink for Grace {}

/// The reclaimer of a grace period's link: the reference is dropped.
///
/// # Safety
///
/// Called by the collector, with a link that `start` retired.
unsafe fn reached(link: *mut Link) {
    // SAFETY: only links of `Grace` have this reclaimer; the memory stays
    // until the state says so, which is the last access.
    let state = unsafe { &(*Link::cast::<Grace>(link)).state };
    // Release: pairs with the Acquires in `is_waiting` and the token's drop, for
    // the section's accesses and ours. Relaxed on failure: the other is tried.
    if state
        .compare_exchange(WAITING, HELD, Ordering::Release, Ordering::Relaxed)
        .is_err()
    {
        // Release: pairs with the HEAVY in `start`, for the next token.
        state.store(FREE, Ordering::Release);
    }
}

impl Grace {
    const_fn! {
        /// Memory for one token at a time.
        ///
        /// ```
        /// static GRACE: hyaline::Grace = hyaline::Grace::new();
        /// ```
        #[must_use]
        pub const fn new() -> Self {
            Self {
                link: Link::new(),
                state: AtomicUsize::new(FREE),
            }
        }
    }

    /// Starts a grace period: a token that can be polled until every section
    /// that is active now has ended. Costs HEAVY; never waits.
    ///
    /// # Errors
    ///
    /// [`Busy`] if a token has this memory, or a dropped token's grace period
    /// is not over.
    ///
    /// ```
    /// use hyaline::{Collector, Grace};
    ///
    /// static C: Collector<2> = Collector::new();
    /// static GRACE: Grace = Grace::new();
    ///
    /// let (reader, writer) = (C.register().unwrap(), C.register().unwrap());
    /// let guard = reader.enter();
    /// let mut token = GRACE.start(&writer).unwrap();
    /// assert!(!token.poll(&writer));
    /// drop(guard);
    /// assert!(token.poll(&writer));
    /// ```
    pub fn start<S: Scheme>(&'static self, handle: &Handle<'_, S>) -> Result<Token, Busy> {
        // Relaxed: HEAVY makes it an Acquire, which pairs with the Releases in
        // `reached` and in the token's drop. The link is ours after that.
        self.state
            .compare_exchange(FREE, HELD, Ordering::Relaxed, Ordering::Relaxed)
            .map_err(|_| Busy)?;
        handle.local().heavy();
        Ok(Token {
            grace: self,
            of: handle.local().shared().place(),
            next: 0,
        })
    }

    /// Whether the link is in an inbox. If not it is ours.
    fn is_waiting(&self) -> bool {
        // Acquire: pairs with the Release in `reached`, its last access.
        self.state.load(Ordering::Acquire) == WAITING
    }

    /// Goes on with slots from `next`; true when all are done.
    fn advance<S: Scheme>(&self, next: &mut usize, handle: &Handle<'_, S>) -> bool {
        loop {
            if self.is_waiting() {
                return false;
            }
            // Relaxed: the push of the link publishes it.
            self.state.store(WAITING, Ordering::Relaxed);
            self.link.reclaim.set(reached);
            // From the whole, which the reclaimer casts it back to.
            let link = core::ptr::from_ref(self).cast_mut().cast::<Link>();
            // SAFETY: the link is ours while the state is HELD, as it was, and
            // it stays where it is until `reached` was called.
            if !unsafe { handle.local().probe(link, next) } {
                // Relaxed: the link was not pushed.
                self.state.store(HELD, Ordering::Relaxed);
                return true;
            }
        }
    }
}

impl Default for Grace {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Grace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Grace")
    }
}

/// A grace period that was started.
#[derive(Debug)]
#[must_use = "a grace period is of use when it is polled"]
pub struct Token {
    grace: &'static Grace,
    /// The address of the collector.
    of: usize,
    /// Slots before it are done.
    next: usize,
}

impl Token {
    /// Whether every section that was active at the start has ended. May be
    /// called at any later time, with any handle of the collector. Never
    /// waits; may run reclaimers; looks at each slot at most once between the
    /// start and the end.
    ///
    /// Each call that finds a slot active leaves the link there, so it takes
    /// at most as many unsuccessful calls as there are slots active.
    ///
    /// # Panics
    ///
    /// If the handle is one of another collector, which knows nothing of the
    /// sections that were active.
    ///
    /// ```
    /// use hyaline::{Collector, Grace};
    ///
    /// static C: Collector<1> = Collector::new();
    /// static GRACE: Grace = Grace::new();
    /// let handle = C.register().unwrap();
    /// let mut token = GRACE.start(&handle).unwrap();
    /// assert!(token.poll(&handle));
    /// ```
    pub fn poll<S: Scheme>(&mut self, handle: &Handle<'_, S>) -> bool {
        assert!(
            handle.local().shared().place() == self.of,
            "the token is of another collector; poll it with a handle of the one it was started with"
        );
        let over = self.grace.advance(&mut self.next, handle) || {
            // The section may have ended without seeing the link.
            handle.collect();
            self.grace.advance(&mut self.next, handle)
        };
        if over {
            // Slots that are claimed for the first time later do not count.
            self.next = usize::MAX;
        }
        over
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        let state = &self.grace.state;
        // Relaxed: `reached` makes it free. Acquire on failure: pairs with the
        // Release in `reached`, whose use of the link we pass on below.
        if state
            .compare_exchange(WAITING, ABANDONED, Ordering::Relaxed, Ordering::Acquire)
            .is_err()
        {
            // Release: pairs with the HEAVY in `start`, for the next token.
            state.store(FREE, Ordering::Release);
        }
    }
}

impl<S: Scheme> Handle<'_, S, Eager> {
    /// Waits until every section that is active now has ended. Calls `relax`
    /// whenever there is nothing to do but to wait: spin, yield, `wfe`, a
    /// delay of the RTOS. Runs reclaimers meanwhile.
    ///
    /// Blocking; constant stack.
    ///
    /// # Errors
    ///
    /// [`WouldDeadlock`] under a guard of this handle, or in a reclaimer that
    /// runs on it: it would wait for itself.
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
        if self.local().is_active() || self.local().is_draining() {
            return Err(WouldDeadlock);
        }
        self.local().heavy();
        let grace = Grace::new();
        // Relaxed: nobody else has it.
        grace.state.store(HELD, Ordering::Relaxed);
        let mut wait = Wait {
            grace: &grace,
            handle: self,
            next: 0,
        };
        while !wait.over() {
            relax();
        }
        Ok(())
    }
}

/// The wait of `synchronize`. Its memory is on the stack, so also when a
/// reclaimer or `relax` panics it must not go before the link is back.
struct Wait<'a, 'c, S: Scheme> {
    grace: &'a Grace,
    handle: &'a Handle<'c, S>,
    next: usize,
}

impl<S: Scheme> Wait<'_, '_, S> {
    fn over(&mut self) -> bool {
        self.grace.advance(&mut self.next, self.handle) || {
            self.handle.collect();
            self.grace.advance(&mut self.next, self.handle)
        }
    }
}

impl<S: Scheme> Drop for Wait<'_, '_, S> {
    fn drop(&mut self) {
        while self.grace.is_waiting() {
            self.handle.collect();
            core::hint::spin_loop();
        }
    }
}

/// The memory is in use: by a token, or by a call that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Busy;

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "an earlier grace period uses this memory; poll it to its end, or use another static",
        )
    }
}

impl core::error::Error for Busy {}

/// `synchronize` would wait for its own caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct WouldDeadlock;

impl fmt::Display for WouldDeadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("synchronize would wait for its own caller; drop the handle's guards first, and do not call it in a reclaimer")
    }
}

impl core::error::Error for WouldDeadlock {}
