//! One slot a CPU, for a task and the interrupts that preempt it.
//!
//! Nothing is masked and no read-modify-write is needed. The flag of a slot
//! counts its open guards; an interrupt that enters and leaves between two
//! instructions of the task puts back what it found:
//!
//! | task | `active` | interrupt |
//! |---|--:|---|
//! | enter: loads `active`, 0 | 0 | |
//! | | 1 | enter: loads 0, stores 1, LIGHT |
//! | | 1 | loads pointers, retires |
//! | | 0 | leave: loads 1, stores 0 |
//! | stores 1, LIGHT | 1 | |
//! | loads pointers: what the interrupt unlinked is not found | 1 | |
//! | | 2 | enter: loads 1, stores 2 |
//! | | 1 | leave: loads 2, stores 1; the task's section goes on |
//! | leave: loads 1 | 1 | |
//! | | 1 | *enters and leaves again* |
//! | stores 0 | 0 | |
//!
//! The task stores 1 only after it loaded 0, and has loaded no pointer in
//! between: what the interrupt retired meanwhile need not wait for it. In
//! robust mode the interrupt may have raised the slot's era, and the task then
//! stores an older one: the pointers that the interrupt held under it are
//! gone, and `protect` raises it before the task gets any. Where an era has two
//! words, the two may come from both, and then name a later era than the task's
//! own (`era/split`, 4), which is safe, and corrected by the next `protect`.
//!
//! What would not bear an interruption are the fields that a slot's owner has
//! for itself: the batch, the queue, the notes of eras, the kept blocks. A
//! nested handle leaves them alone: what it retires goes to limbo object by
//! object, with a compare-and-swap, and an object it makes moves the clock.

use core::fmt;

use crate::{Basic, Handle, HandleId, Nested, Scheme};

/// A claimed slot that belongs to a CPU (or to a task with its signal
/// handlers): used by a task and by the interrupts that preempt it there.
///
/// Made by [`Collector::register_per_cpu`](crate::Collector::register_per_cpu)
/// and kept where both find it. No reclaimer runs in its context: others
/// reclaim, for example an idle task with a handle of its own.
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

// SAFETY: the handle is used through `get` alone, whose caller is on the one
// CPU it belongs to.
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

    /// Names the handle, as [`Handle::id`].
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

    /// The handle, for the context that calls.
    ///
    /// # Safety
    ///
    /// Until the reference and all guards made through it are gone:
    ///
    /// - the caller stays on one CPU (or thread), the same for all callers of
    ///   this `PerCpu`;
    /// - it is preempted only by contexts that nest strictly: each drops all
    ///   guards it made through the handle, and forgets none, before it
    ///   returns to what it preempted. Interrupts, NMIs and signal handlers
    ///   do; another task does not.
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
