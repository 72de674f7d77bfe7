//! Callbacks: a function and a word, called after a grace period.

use core::fmt;

use super::Busy;
use crate::{
    AsLink, Handle, Link, Role, Scheme,
    sync::{AtomicUsize, Cell, Ordering, const_fn},
};

/// Nobody uses it.
const FREE: usize = 0;
/// A call is under way.
const HELD: usize = 1;

/// A function to be called, with a word, when every section that is active at
/// the time of the call has ended.
///
/// ```
/// use hyaline::{Callback, Collector};
///
/// static RELEASE_CHANNEL: Callback = Callback::new();
///
/// fn release(channel: usize) { /* no reader uses it any more */ }
///
/// let collector = Collector::<1>::new();
/// let handle = collector.register()?;
/// RELEASE_CHANNEL.call_later(&handle, release, 3)?;
/// handle.collect();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[repr(C)]
pub struct Callback {
    link: Link,
    /// FREE, or HELD while it is under way.
    state: AtomicUsize,
    call: Cell<(fn(usize), usize)>,
}

// SAFETY: `repr(C)`, and the link comes first.
unsafe impl AsLink for Callback {}

// SAFETY: `call` is accessed by who moved the state from FREE, and then by the
// reclaimer, which comes after.
unsafe impl Sync for Callback {}

/// The reclaimer of a callback.
///
/// # Safety
///
/// Called by the collector, with a link that `call_later` retired.
unsafe fn call(link: *mut Link) {
    // SAFETY: only links of callbacks, which are statics, have this reclaimer.
    let callback = unsafe { &*Link::cast::<Callback>(link) };
    let (function, word) = callback.call.get();
    // Release: pairs with the Acquire in `call_later`; we are done with it, so
    // the function may use it again.
    callback.state.store(FREE, Ordering::Release);
    function(word);
}

impl Callback {
    const_fn! {
        /// Memory for one call at a time.
        ///
        /// ```
        /// static CALLBACK: hyaline::Callback = hyaline::Callback::new();
        /// ```
        #[must_use]
        pub const fn new() -> Self {
            Self {
                link: Link::new(),
                state: AtomicUsize::new(FREE),
                call: Cell::new((nothing, 0)),
            }
        }
    }

    /// Calls `function(word)`, once, when every section that is active now has
    /// ended: where reclaimers run, and in batches with them. The function may
    /// retire, register, flush, and use the callback again.
    ///
    /// # Errors
    ///
    /// [`Busy`] if an earlier call is under way.
    ///
    /// ```
    /// use core::sync::atomic::{AtomicUsize, Ordering};
    /// use hyaline::{Callback, Collector};
    ///
    /// static C: Collector<1> = Collector::new();
    /// static CHANNEL_IS_FREE: Callback = Callback::new();
    /// static FREED: AtomicUsize = AtomicUsize::new(0);
    ///
    /// let handle = C.register().unwrap();
    /// CHANNEL_IS_FREE
    ///     .call_later(&handle, |channel| FREED.store(channel, Ordering::Relaxed), 3)
    ///     .unwrap();
    /// handle.flush();
    /// assert_eq!(FREED.load(Ordering::Relaxed), 3);
    /// ```
    pub fn call_later<S: Scheme, R: Role>(
        &'static self,
        handle: &Handle<'_, S, R>,
        function: fn(usize),
        word: usize,
    ) -> Result<(), Busy> {
        // Acquire: pairs with the Release in `call`. Relaxed on failure: it is
        // under way.
        self.state
            .compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed)
            .map_err(|_| Busy)?;
        self.call.set((function, word));
        // Older than any era: it waits for every section.
        self.link.notes.set_birth(0);
        // From the whole, which the reclaimer casts it back to.
        let link = core::ptr::from_ref(self).cast_mut().cast::<Link>();
        // SAFETY: the link is ours, was never shared, and is a static.
        unsafe { handle.local().retire::<R>(link, call, false) };
        Ok(())
    }
}

/// What a callback holds before its first use.
fn nothing(_: usize) {}

impl Default for Callback {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Callback")
    }
}
