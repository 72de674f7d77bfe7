//! Where an interrupt keeps its handle.

use core::{cell::Cell, fmt, mem::ManuallyDrop};

use critical_section::Mutex;

use super::{Domain, Handle, domain::collector};
use crate::{Deferred, SlotsExhausted};

/// A `static` in which an interrupt keeps its [deferred](Deferred) handle. Its
/// first use claims the slot. Needs the feature `critical-section`.
///
/// ```
/// #![forbid(unsafe_code)]
/// use hyaline::{Collector, domain, safe::{Domain, HandleCell, Queue}};
///
/// domain!(App: Collector<4> = Collector::new());
/// static RECEIVED: Queue<u8, 16, App> = Queue::new();
/// static UART: HandleCell<App> = HandleCell::new();
///
/// /// The interrupt handler.
/// fn uart(byte: u8) {
///     // Full: earlier bytes are waiting.
///     let _ = UART.with(|handle| RECEIVED.push(handle, byte));
/// }
///
/// uart(7); // at any time
/// assert_eq!(RECEIVED.pop(&App::register()?), Some(7));
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
///
/// One cell serves one context: an interrupt on one core, or a task. The handle is
/// taken out while it is in use, so interrupts are masked only for a few
/// instructions, twice in a call, and not while the closure runs.
///
/// The program links an implementation of the crate `critical-section`, which has
/// to exclude all contexts that use the cell. None excludes an NMI: there, use a
/// [`PerCpu`](super::PerCpu).
pub struct HandleCell<D: Domain> {
    state: Mutex<Cell<State<D>>>,
}

enum State<D: Domain> {
    Unclaimed,
    Idle(Handle<D, Deferred>),
    InUse,
}

impl<D: Domain> HandleCell<D> {
    /// Without a handle yet. All zeros.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::HandleCell};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static TIMER: HandleCell<App> = HandleCell::new();
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: Mutex::new(Cell::new(State::Unclaimed)),
        }
    }

    /// Calls `f` with the handle. The first call, and one after the slot was
    /// [evicted](crate::CollectorView::evict), claims a slot; it is kept until
    /// the cell is dropped, which a `static` never is.
    ///
    /// Two short critical sections; the first call also takes the steps of
    /// [`register`](crate::CollectorView::register), in neither. In tasks and
    /// interrupts, not in an NMI. A guard that `f` forgets keeps the slot active.
    ///
    /// # Errors
    ///
    /// [`HandleUnavailable`], and `f` was not called: no slot is free, or the
    /// handle is in use, because `f` itself or a context that has preempted it
    /// calls this, or another core.
    ///
    /// # Panics
    ///
    /// If `f` does. The handle is then back in the cell.
    ///
    /// ```
    /// use hyaline::{Collector, domain, safe::{Domain, HandleCell, HandleUnavailable, RcuCell}};
    ///
    /// domain!(App: Collector<4> = Collector::new());
    /// static LIMIT: RcuCell<u32, 2, App> = RcuCell::new(10);
    /// static ADC: HandleCell<App> = HandleCell::new();
    ///
    /// let above = ADC.with(|handle| 11 > *LIMIT.read(&handle.enter()));
    /// assert_eq!(above, Ok(true));
    /// let nested = ADC.with(|_| ADC.with(|_| ()));
    /// assert_eq!(nested, Ok(Err(HandleUnavailable::InUse)));
    /// ```
    pub fn with<T>(
        &self,
        f: impl FnOnce(&Handle<D, Deferred>) -> T,
    ) -> Result<T, HandleUnavailable> {
        let handle = match self.replace(State::InUse) {
            State::InUse => return Err(HandleUnavailable::InUse),
            State::Idle(handle) if !handle.is_evicted() => handle,
            // Not by the domain's own method, which may be the user's and panic:
            // the state would stay as it is now.
            _ => match collector::<D>().register_deferred() {
                Ok(handle) => Handle::new(handle),
                Err(exhausted) => {
                    self.replace(State::Unclaimed);
                    return Err(HandleUnavailable::Exhausted(exhausted));
                }
            },
        };
        let lent = Lent {
            cell: self,
            handle: ManuallyDrop::new(handle),
        };
        Ok(f(&lent.handle))
    }

    fn replace(&self, state: State<D>) -> State<D> {
        critical_section::with(|cs| self.state.borrow(cs).replace(state))
    }
}

/// A handle on loan. Goes back into its cell, also if the closure panics.
struct Lent<'a, D: Domain> {
    cell: &'a HandleCell<D>,
    handle: ManuallyDrop<Handle<D, Deferred>>,
}

impl<D: Domain> Drop for Lent<'_, D> {
    fn drop(&mut self) {
        // SAFETY: taken once, here, and not used again.
        let handle = unsafe { ManuallyDrop::take(&mut self.handle) };
        self.cell.replace(State::Idle(handle));
    }
}

impl<D: Domain> Default for HandleCell<D> {
    fn default() -> Self {
        Self::new()
    }
}

impl<D: Domain> fmt::Debug for HandleCell<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandleCell").finish_non_exhaustive()
    }
}

/// A [`HandleCell`] has no handle to give.
///
/// ```
/// use hyaline::{Collector, domain, safe::{Domain, HandleCell, HandleUnavailable}};
///
/// domain!(App: Collector<1> = Collector::new());
/// static TIMER: HandleCell<App> = HandleCell::new();
///
/// let task = App::register()?;
/// let error = TIMER.with(|_| ()).unwrap_err();
/// assert!(matches!(error, HandleUnavailable::Exhausted(_)));
/// drop(task);
/// assert!(TIMER.with(|_| ()).is_ok());
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum HandleUnavailable {
    /// The collector has no free slot.
    Exhausted(SlotsExhausted),
    /// Another call on the cell has not returned yet.
    InUse,
}

impl fmt::Display for HandleUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted(exhausted) => exhausted.fmt(f),
            Self::InUse => f.write_str(
                "the handle of the cell is in use, by a call that this one is nested in or has \
                 preempted, or on another core; give each interrupt on each core a cell of its own",
            ),
        }
    }
}

impl core::error::Error for HandleUnavailable {}
