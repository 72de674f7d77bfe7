//! The collector: a `static` array of slots.

use core::fmt;

use crate::{
    Basic, Config, Deferred, Handle, HandleId, Nested, NotTheOwner, PerCpu, Role, Scheme,
    raw::{Global, Slot},
    sync::const_fn,
};

/// Tells when retired objects may be reused, for up to `N` users at a time.
///
/// Each task, interrupt or CPU that reads or retires claims a slot with
/// [`register`](Self::register) and works through the [`Handle`] it gets. `N`
/// is the number of slots; `S` the [`Scheme`], [`Basic`] by default.
///
/// A collector can be a `static` and needs no initialisation. When it is
/// dropped it reclaims everything that was retired and is still waiting.
///
/// ```
/// use hyaline::Collector;
///
/// static C: Collector<8> = Collector::new();
///
/// let handle = C.register()?;
/// assert_eq!(handle.slot(), 0);
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
///
/// A collector without slots does not compile:
///
/// ```compile_fail
/// static C: hyaline::Collector<0> = hyaline::Collector::new();
/// ```
pub struct Collector<const N: usize, S: Scheme = Basic> {
    global: Global<S, [Slot<S>; N]>,
}

impl<const N: usize> Collector<N> {
    const_fn! {
        /// A collector of the default scheme with the default [`Config`].
        ///
        /// ```
        /// static C: hyaline::Collector<8> = hyaline::Collector::new();
        /// # assert!(C.register().is_ok());
        /// ```
        #[must_use]
        pub const fn new() -> Self {
            Self::with_config(Config::new())
        }
    }
}

impl<const N: usize, S: Scheme> Collector<N, S> {
    const_fn! {
        /// A collector of any scheme.
        ///
        /// ```
        /// use hyaline::{Collector, Config, Robust};
        ///
        /// static C: Collector<2, Robust> = Collector::with_config(Config::new());
        /// # assert!(C.register().is_ok());
        /// ```
        #[must_use]
        pub const fn with_config(config: Config<S::Barrier>) -> Self {
            const { assert!(N > 0, "a collector has at least one slot") };
            const {
                assert!(
                    usize::BITS > 16 || !S::ROBUST,
                    "`Robust` needs words of 32 bits or more for its clock; use `Basic`"
                );
            };
            Self {
                global: Global::new(config.settings),
            }
        }
    }

    /// The number of slots, `N`.
    ///
    /// ```
    /// assert_eq!(hyaline::Collector::<8>::new().capacity(), 8);
    /// ```
    #[must_use]
    pub const fn capacity(&self) -> usize {
        N
    }

    /// Claims a slot.
    ///
    /// Wait-free; at most `N` attempts. May be called in an interrupt. The
    /// slot is released when the handle is dropped.
    ///
    /// # Errors
    ///
    /// [`SlotsExhausted`] if all slots are claimed.
    ///
    /// ```
    /// use hyaline::Collector;
    ///
    /// let collector = Collector::<1>::new();
    /// let handle = collector.register()?;
    /// assert!(collector.register().is_err());
    /// drop(handle);
    /// assert!(collector.register().is_ok());
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn register(&self) -> Result<Handle<'_, S>, SlotsExhausted> {
        self.claim()
    }

    /// Claims a slot for a context in which no reclaimer may run: an
    /// interrupt, code with a deadline, code that must not free.
    ///
    /// The end of a section is one store. What the handle retires goes to the
    /// collector in batches, without a look at other slots and without a lock;
    /// the other handles reclaim it. A collector with deferred handles only
    /// reclaims nothing before it is dropped.
    ///
    /// # Errors
    ///
    /// [`SlotsExhausted`] if all slots are claimed.
    ///
    /// ```
    /// use hyaline::{Collector, Linked, reclaim};
    ///
    /// let collector = Collector::<2>::new();
    /// let task = collector.register()?;
    /// let interrupt = collector.register_deferred()?;
    /// let object = Box::into_raw(Box::new(interrupt.link(7)));
    /// // SAFETY: it was never shared, and it comes from a `Box`.
    /// unsafe { interrupt.retire(object, reclaim::boxed::<Linked<i32>>) };
    /// assert_eq!(interrupt.flush(), 0);
    /// assert_eq!(task.collect(), 1);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn register_deferred(&self) -> Result<Handle<'_, S, Deferred>, SlotsExhausted> {
        self.claim()
    }

    /// Claims a slot for a CPU: for its task and the interrupts that preempt
    /// it, on one handle.
    ///
    /// # Errors
    ///
    /// [`SlotsExhausted`] if all slots are claimed.
    ///
    /// ```
    /// let collector = hyaline::Collector::<2>::new();
    /// let cpu = collector.register_per_cpu()?;
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn register_per_cpu(&self) -> Result<PerCpu<'_, S>, SlotsExhausted> {
        self.claim::<Nested>().map(PerCpu::new)
    }

    /// Takes the slot from a task that is dead, and frees it. What the task
    /// retired, and what waited for its sections, the next collect or publish
    /// of anyone finds and reclaims; nothing is reclaimed here.
    ///
    /// Never waits; costs a step for each object that the task was about to
    /// reclaim. Any context except NMI. The task's handle, if it is still
    /// somewhere, is inert: [`is_evicted`](Handle::is_evicted) is true,
    /// dropping it, `flush`, `collect` and `limit_reclaims` do nothing, and
    /// what it retires goes to the others.
    ///
    /// # Safety
    ///
    /// - What the handle's user did happens before this call: it was stopped
    ///   by a scheduler, or joined.
    /// - It does not run again with pointers that it loaded, nor with guards
    ///   of the handle: they are neither used nor dropped.
    /// - It was not stopped inside a call of this crate, but for `enter`,
    ///   `protect` and the like, the drop of a guard of a deferred or per-CPU
    ///   handle, and reclaimers (whose object is then lost).
    /// - The handle is not used again but for what is named above: not to
    ///   enter, to make objects, or for grace periods. Debug builds catch an
    ///   `enter`.
    ///
    /// # Errors
    ///
    /// [`NotTheOwner`] if no handle of this collector has the id, which was
    /// released or evicted before: then nothing is done.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let handle = collector.register()?;
    /// core::mem::forget(handle.enter());
    /// let id = handle.id();
    /// // SAFETY: its only guard was forgotten, and nothing was loaded.
    /// unsafe { collector.evict(id) }.unwrap();
    /// let next = collector.register()?;
    /// drop(handle); // inert
    /// assert!(!next.is_evicted());
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub unsafe fn evict(&self, id: HandleId) -> Result<(), NotTheOwner> {
        // SAFETY: the caller's.
        if unsafe { self.global().evict(id.slot, id.owner) } {
            Ok(())
        } else {
            Err(NotTheOwner)
        }
    }

    /// Asks the reader in a slot to end its section and start over: it polls
    /// [`Guard::restart_requested`](crate::Guard::restart_requested). Any
    /// context; one store. Returns false if the slot is not active, or not
    /// there.
    ///
    /// This is the cooperative form of DEBRA+'s neutralisation (Brown, PODC
    /// 2015). There a signal makes the reader jump out of its section at any
    /// instruction, so the writer may go on as if it had left. Here nothing is
    /// promised before the reader has really left: nothing is freed early, and
    /// a reader that does not poll, or is not scheduled, holds what it holds.
    /// What bounds that without its help is [`Robust`](crate::Robust) mode;
    /// what ends it is `evict`. A request that comes after the section has
    /// ended is seen by the slot's next section, and costs it a restart.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let reader = collector.register()?;
    /// assert!(!collector.request_restart(0));
    /// let mut guard = reader.enter();
    /// assert!(collector.request_restart(0));
    /// if guard.restart_requested() {
    ///     drop(guard);
    ///     guard = reader.enter(); // and load everything again
    /// }
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn request_restart(&self, slot: usize) -> bool {
        self.global().request_restart(slot)
    }

    pub(crate) fn global(&self) -> &Global<S> {
        &self.global
    }

    fn claim<R: Role>(&self) -> Result<Handle<'_, S, R>, SlotsExhausted> {
        match self.global().register(R::RECLAIMS) {
            Some(local) => Ok(Handle::new(local)),
            None => Err(SlotsExhausted { capacity: N }),
        }
    }
}

impl<const N: usize> Default for Collector<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize, S: Scheme> Drop for Collector<N, S> {
    fn drop(&mut self) {
        let global: &mut Global<S> = &mut self.global;
        global.reclaim_all();
    }
}

impl<const N: usize, S: Scheme> fmt::Debug for Collector<N, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector")
            .field("capacity", &N)
            .finish_non_exhaustive()
    }
}

/// All slots of a collector are claimed.
///
/// ```
/// let collector = hyaline::Collector::<1>::new();
/// let handle = collector.register()?;
/// let error = collector.register().unwrap_err();
/// assert!(error.to_string().starts_with("each slot of the collector (1) is claimed"));
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SlotsExhausted {
    capacity: usize,
}

impl SlotsExhausted {
    /// The slots that the collector has.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let handle = collector.register()?;
    /// assert_eq!(collector.register().unwrap_err().capacity(), 1);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }
}

impl fmt::Display for SlotsExhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "each slot of the collector ({}) is claimed; drop a handle with its guards, evict one whose task is dead or forgot a guard, or make the collector with a larger N",
            self.capacity
        )
    }
}

impl core::error::Error for SlotsExhausted {}
