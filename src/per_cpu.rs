//! One slot for each CPU, used by a task and the interrupts that preempt it.
//!
//! Nothing is masked, and a section needs no read-modify-write. The section
//! word counts the open guards. An interrupt that enters and leaves between two
//! instructions of the task restores the count that it found:
//!
//! | task | guards | interrupt |
//! |---|--:|---|
//! | enter: loads the word, 0 | 0 | |
//! | | 1 | enter: loads 0, stores 1, light barrier |
//! | | 1 | loads pointers, retires |
//! | | 0 | leave: loads 1, stores 0 |
//! | stores 1, light barrier | 1 | |
//! | loads pointers: what the interrupt unlinked is not found | 1 | |
//! | | 2 | enter: loads 1, stores 2, light barrier |
//! | | 1 | leave: loads 2, stores 1; the task's section is still open |
//! | leave: loads 1 | 1 | |
//! | | 1 | *enters and leaves again* |
//! | stores 0 | 0 | |
//!
//! The task stores 1 only after it loaded 0, and loads no pointer in between.
//! So what the interrupt retired meanwhile need not wait for the task. Every
//! enter executes the light barrier, even if a section is already open: the
//! task may have been interrupted between its store and its own barrier. In
//! robust mode an interrupt may raise the slot's era while the task is in
//! `protect`, so `protect` compares the era that it read before it loaded the
//! pointer. `raw/era/two_words.rs` covers eras of two words, and
//! `raw/section.rs` the number in the section word.
//!
//! The owner-only fields of a slot would not survive an interruption: the
//! counts of the batch and of the objects made, the hand, the magazine. A
//! nested handle leaves them alone. It retires like every handle, with a push
//! onto the slot's stack. Each object that it makes advances the clock.

use core::fmt;

use crate::{Basic, Erased, Handle, HandleId, Nested, Scheme};

/// A claimed slot that belongs to a CPU, or to a task with its signal handlers.
/// A task and the interrupts that preempt it there use it together.
///
/// [`Collector::register_per_cpu`](crate::CollectorView::register_per_cpu)
/// makes it. Keep it where both find it. No reclaimer runs in its calls: eager
/// handles reclaim, for example that of an idle task.
///
/// ```
/// use core::sync::atomic::Ordering;
/// use hyaline::{AtomicPtr, Collector, Linked, PerCpu};
/// use spin::Once;
///
/// static C: Collector<4> = Collector::new();
/// static CPU0: Once<PerCpu<'static>> = Once::new();
/// static SHARED: AtomicPtr<Linked<u32>> = AtomicPtr::new(core::ptr::null_mut());
///
/// fn task() {
///     let cpu = CPU0.get().unwrap();
///     // SAFETY: on CPU 0, in its one task; interrupts drop their guards.
///     let guard = unsafe { cpu.get() }.enter();
///     guard.protect(&SHARED, Ordering::Acquire);
/// }
///
/// fn interrupt() {
///     let cpu = CPU0.get().unwrap();
///     // SAFETY: on CPU 0, and the guard is dropped before this returns.
///     let guard = unsafe { cpu.get() }.enter();
///     guard.protect(&SHARED, Ordering::Acquire);
/// }
///
/// CPU0.call_once(|| C.register_per_cpu().unwrap());
/// task();
/// interrupt();
/// ```
pub struct PerCpu<'c, S: Scheme = Basic> {
    handle: Handle<'c, S, Nested>,
}

// SAFETY: the handle is shared only by `get`, whose callers are all on one CPU
// and nest strictly (its contract); a nested handle bears that.
unsafe impl<S: Scheme> Sync for PerCpu<'_, S> {}

impl<'c, S: Scheme> PerCpu<'c, S> {
    pub(crate) fn new(handle: Handle<'c, S, Nested>) -> Self {
        Self { handle }
    }

    pub(crate) fn into_handle(self) -> Handle<'c, S, Nested> {
        self.handle
    }

    /// The number of the slot.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// assert_eq!(collector.register_per_cpu()?.slot(), 0);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub fn slot(&self) -> usize {
        self.handle.slot()
    }

    /// Identifies the handle, like [`Handle::id`].
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// assert_eq!(collector.register_per_cpu()?.id().slot(), 0);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> HandleId {
        self.handle.id()
    }

    /// Turns it into a handle whose role is known at run time. That handle is
    /// for one context at a time.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let handle = collector.register_per_cpu()?.erase();
    /// assert!(handle.as_eager().is_none());
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub fn erase(self) -> Handle<'c, S, Erased> {
        self.handle.erase()
    }

    /// The handle, for the calling context. Costs nothing; any context.
    ///
    /// # Safety
    ///
    /// Until the reference and all guards made through it are gone:
    ///
    /// - the caller stays on one CPU (or thread), the same for all callers of
    ///   this `PerCpu`;
    /// - contexts that preempt the caller and use this `PerCpu` nest strictly:
    ///   each drops all guards that it made through the handle, and forgets
    ///   none, before it returns to the context that it preempted. Interrupts,
    ///   NMIs and signal handlers can keep this; another task cannot.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let cpu = collector.register_per_cpu()?;
    /// // SAFETY: one thread, without signal handlers.
    /// let handle = unsafe { cpu.get() };
    /// let guard = handle.enter();
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    #[must_use]
    pub unsafe fn get(&self) -> &Handle<'c, S, Nested> {
        &self.handle
    }
}

impl<S: Scheme> fmt::Debug for PerCpu<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerCpu")
            .field("slot", &self.slot())
            .finish_non_exhaustive()
    }
}
