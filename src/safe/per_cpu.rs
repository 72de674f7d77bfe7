//! One handle a CPU, for a task and the interrupts that preempt it.

use core::fmt;

use super::{Domain, Handle, domain::SchemeOf};
use crate::{HandleId, Nested};

/// A [`PerCpu`](crate::PerCpu) that says which collector it is of: a claimed
/// slot that belongs to a CPU, and is used by a task and by the interrupts
/// that preempt it there.
///
/// Made by [`Domain::register_per_cpu`], and kept where both find it. No
/// reclaimer runs in its context, and so no value is dropped: others reclaim,
/// for example an idle task with a handle of its own.
///
/// ```
/// use hyaline::{Collector, domain, safe::{Domain, PerCpu, Queue, RcuCell}};
/// use spin::Once;
///
/// domain!(App: Collector<4> = Collector::new());
/// static LIMIT: RcuCell<u32, 2, App> = RcuCell::new(10);
/// static ALARMS: Queue<u32, 8, App> = Queue::new();
/// static CPU0: Once<PerCpu<App>> = Once::new();
///
/// fn interrupt(reading: u32) {
///     let cpu = CPU0.get().unwrap();
///     // SAFETY: on CPU 0, and the guards are dropped before this returns.
///     let handle = unsafe { cpu.get() };
///     if reading > *LIMIT.read(&handle.enter()) {
///         _ = ALARMS.push(handle, reading); // full: it is not the first alarm
///     }
/// }
///
/// fn task() {
///     let cpu = CPU0.get().unwrap();
///     // SAFETY: on CPU 0, in its one task; interrupts drop their guards.
///     let handle = unsafe { cpu.get() };
///     let guard = handle.enter();
///     let limit = LIMIT.read(&guard);
///     interrupt(11); // wherever it comes
///     assert_eq!((*limit, ALARMS.pop(handle)), (10, Some(11)));
/// }
///
/// CPU0.call_once(|| App::register_per_cpu().unwrap());
/// task();
/// ```
pub struct PerCpu<D: Domain> {
    handle: Handle<D, Nested>,
}

// SAFETY: the handle is used through `get` alone, whose caller is on the one
// CPU it belongs to.
unsafe impl<D: Domain> Sync for PerCpu<D> {}

impl<D: Domain> PerCpu<D> {
    /// `raw` is of the collector that `D` names.
    pub(super) fn new(raw: crate::PerCpu<'static, SchemeOf<D>>) -> Self {
        let handle = Handle::new(raw.into_handle());
        Self { handle }
    }

    /// The number of the slot. Wait-free, any context, any CPU.
    ///
    /// ```
    /// use hyaline::{Collector, domain, safe::Domain};
    ///
    /// domain!(App: Collector<2> = Collector::new());
    /// assert_eq!(App::register_per_cpu()?.slot(), 0);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub fn slot(&self) -> usize {
        self.handle.slot()
    }

    /// Names the handle, as [`Handle::id`](crate::Handle::id). Wait-free, any
    /// context, any CPU.
    ///
    /// ```
    /// use hyaline::{Collector, domain, safe::Domain};
    ///
    /// domain!(App: Collector<2> = Collector::new());
    /// assert_eq!(App::register_per_cpu()?.id().slot(), 0);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> HandleId {
        self.handle.id()
    }

    /// The handle, for the context that calls. Wait-free.
    ///
    /// # Safety
    ///
    /// As [`PerCpu::get`](crate::PerCpu::get). Until the reference and all
    /// guards made through it are gone:
    ///
    /// - the caller stays on one CPU (or thread), the same for all callers of
    ///   this `PerCpu`;
    /// - it is preempted only by contexts that nest strictly: each drops all
    ///   guards it made through the handle, and forgets none, before it
    ///   returns to what it preempted. Interrupts, NMIs and signal handlers
    ///   do; another task does not.
    ///
    /// ```
    /// use hyaline::{Collector, domain, safe::{Domain, Stack}};
    ///
    /// domain!(App: Collector<2> = Collector::new());
    /// static FREE: Stack<u16, 4, App> = Stack::new();
    ///
    /// let cpu = App::register_per_cpu()?;
    /// // SAFETY: one thread, without signal handlers.
    /// let handle = unsafe { cpu.get() };
    /// FREE.push(handle, 1)?;
    /// assert_eq!(FREE.pop(handle), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[must_use]
    pub unsafe fn get(&self) -> &Handle<D, Nested> {
        &self.handle
    }
}

impl<D: Domain> fmt::Debug for PerCpu<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerCpu")
            .field("slot", &self.slot())
            .finish_non_exhaustive()
    }
}
