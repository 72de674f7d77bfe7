//! Sections of this crate's collector, and the slots that threads keep for them.

use std::{cell::Cell, error, fmt, mem, sync::atomic::Ordering};

use hyaline::{AtomicPtr, Collector, Config, Membarrier, Robust};

/// How many slots there are: for guards that exist at a time, for those that
/// threads keep, and for address spaces, in the whole process.
///
/// ```
/// assert_eq!(hyaline_vm_memory::SLOTS, 256); // 8 under Miri
/// ```
pub const SLOTS: usize = if cfg!(miri) { 8 } else { 256 };

/// How many slots a thread keeps: as many as it has guards at a time, up to this.
/// To claim and to release one costs as much as tens of sections.
const KEPT: usize = 4;

/// Robust: a guard that is kept for long must not hold back the maps that come
/// later. Membarrier: maps are mostly read.
type Scheme = Robust<Membarrier>;

pub(crate) type Handle = hyaline::Handle<'static, Scheme>;

/// For all address spaces, since a thread may use several. Each map begins an era: a
/// section holds no map that is made later.
static COLLECTOR: Collector<SLOTS, Scheme> =
    Collector::with_config(Config::new().barrier(Membarrier).era_step::<1>());

/// Slots that no guard uses, in boxes: the copy of a handle that was written just
/// now costs more than the section.
type Idle = [Cell<Option<Box<Handle>>>; KEPT];

thread_local! {
    static IDLE: Idle = const { [const { Cell::new(None) }; KEPT] };
}

pub(crate) fn register() -> Result<Handle, SlotsExhausted> {
    COLLECTOR.register().map_err(|_| SlotsExhausted(()))
}

/// Each of the [`SLOTS`] is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotsExhausted(());

impl fmt::Display for SlotsExhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "each of the {SLOTS} slots of the process is claimed; drop an address space or \
             guards, or end a thread that had some"
        )
    }
}

impl error::Error for SlotsExhausted {}

/// An open section with its slot. It may be left on another thread, which keeps
/// the slot then.
pub(crate) struct Section {
    /// There until the drop. A guard of it was forgotten, and it has no other.
    handle: Option<Box<Handle>>,
}

impl Section {
    /// Opens a section on a slot of this thread, or on one more if all that it keeps
    /// are in use, and loads a pointer that stays valid while the section is open.
    /// `None` if no slot is free.
    #[inline]
    pub(crate) fn load<T>(place: &AtomicPtr<T>) -> Option<(Self, *mut T)> {
        // An error: the thread is about to end.
        let idle = IDLE.try_with(|idle| idle.iter().find_map(Cell::take));
        let handle = match idle {
            Ok(Some(handle)) => handle,
            _ => Box::new(register().ok()?),
        };
        let guard = handle.enter();
        // Acquire: pairs with the Release of the swap in `replace`; without it the
        // object's contents might not be there yet.
        let object = guard.protect(place, Ordering::Acquire);
        mem::forget(guard);
        let handle = Some(handle);
        Some((Self { handle }, object))
    }
}

impl Drop for Section {
    #[inline]
    fn drop(&mut self) {
        let Some(handle) = self.handle.take() else {
            return;
        };
        // May drop maps, which may use slots of this thread. If that panics, this
        // slot is released.
        // SAFETY: "a guard of this handle was forgotten" in `load`, and "nothing else
        // closes the section": the handle was in this section alone. It is an eager
        // handle, so its context is the thread that has it, and moved along. What was
        // loaded is not used any more: it does not outlive this section.
        unsafe { handle.leave_unchecked() };
        let mut handle = Some(handle);
        // To the first place; what is there moves on, until a place was empty. A slot
        // too many is released, and so is that of a thread which is about to end.
        let _ = IDLE.try_with(|idle| {
            for place in idle {
                handle = place.replace(handle.take());
                if handle.is_none() {
                    break;
                }
            }
        });
    }
}
