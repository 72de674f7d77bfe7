//! Callbacks: a function and its argument, called after a grace period.

use core::fmt;

use super::Busy;
use crate::{
    AsLink, Handle, Link, Role, Scheme,
    sync::{AtomicUsize, Cell, Ordering, const_fn},
};

/// No call is pending.
const FREE: usize = 0;
/// A call is pending.
const HELD: usize = 1;

/// Memory for a deferred call: of a function, with one word as its argument,
/// when every section that is open at the time of
/// [`call_later`](Self::call_later) has ended.
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
    /// `FREE`, or `HELD` while a call is pending.
    state: AtomicUsize,
    call: Cell<(fn(usize), usize)>,
}

// SAFETY: `repr(C)`, and the link comes first.
unsafe impl AsLink for Callback {}

// SAFETY: `call` is accessed by the thread that moved the state from `FREE` to
// `HELD`, and then by the reclaimer, which the retire happens before.
unsafe impl Sync for Callback {}

/// The reclaimer of a callback.
///
/// # Safety
///
/// `link` is that of a `Callback` which `call_later` retired, and the collector
/// calls this.
unsafe fn call(link: *mut Link) {
    // SAFETY: "`link` is that of a `Callback` which `call_later` retired"
    // (# Safety), so it is `'static`.
    let callback = unsafe { &*Link::cast::<Callback>(link) };
    let (function, word) = callback.call.get();
    // Release: pairs with the Acquire in `call_later`. The next call overwrites
    // `call` only after the read above. The function may use the callback again.
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

    /// Calls `function(word)` once, when every section that is open now has
    /// ended. It runs where reclaimers run, and is batched with them. The
    /// function may retire, register, flush, and use the callback again.
    ///
    /// A function that uses its callback again each time must not let anything
    /// publish it: no allocation from a pool that may be exhausted, and no call of
    /// another handle that publishes. The call that runs the function would run it
    /// again without end.
    ///
    /// # Errors
    ///
    /// [`Busy`] if an earlier call is pending.
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
        // Acquire: pairs with the Release in `call`. Without it the store to
        // `call` would race with the read there. Relaxed on failure: nothing
        // is accessed.
        self.state
            .compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed)
            .map_err(|_| Busy)?;
        self.call.set((function, word));
        // The oldest birth era: the callback waits for every section.
        self.link.notes.set_birth(0);
        // Derived from the whole callback, to which the reclaimer casts it back.
        let link = core::ptr::from_ref(self).cast_mut().cast::<Link>();
        // SAFETY: the link is `'static`, so valid; the exchange made it ours, so
        // it is retired once; no section can find it, as it was never shared.
        unsafe { handle.local().retire_waiting::<R>(link, call) };
        Ok(())
    }
}

/// The function of a callback before its first use.
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
