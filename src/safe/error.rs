//! Errors of the structures. The value always comes back.

use core::fmt;

/// No block is free: each is in use, or waits until no section can hold it. Or,
/// on the heap, the allocator has no memory. The value that was to be stored
/// comes back.
///
/// ```
/// use hyaline::{Collector, domain, safe::{Domain, Stack}};
///
/// domain!(App: Collector<2> = Collector::new());
/// static STACK: Stack<&str, 1, App> = Stack::new();
///
/// let handle = App::register()?;
/// assert!(STACK.push(&handle, "first").is_ok());
/// let full = STACK.push(&handle, "second").unwrap_err();
/// assert_eq!(full.into_inner(), "second");
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Full<T>(pub(super) T);

impl<T> Full<T> {
    /// For code of your own that refuses a value.
    ///
    /// ```
    /// use hyaline::{Collector, domain, safe::{Domain, Full, Handle, Stack}};
    ///
    /// domain!(App: Collector<2> = Collector::new());
    /// static STACK: Stack<u32, 8, App> = Stack::new();
    ///
    /// /// Keeps at most 4 values. In one task: another could push between the two calls.
    /// fn push(handle: &Handle<App>, value: u32) -> Result<(), Full<u32>> {
    ///     if STACK.len(handle) == 4 {
    ///         return Err(Full::new(value));
    ///     }
    ///     STACK.push(handle, value)
    /// }
    ///
    /// let handle = App::register()?;
    /// (0..4).try_for_each(|value| push(&handle, value))?;
    /// assert_eq!(push(&handle, 4).unwrap_err().into_inner(), 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Stack}};
    /// # domain!(App: Collector<2> = Collector::new());
    /// # static STACK: Stack<u32, 1, App> = Stack::new();
    /// # let handle = App::register()?;
    /// # STACK.push(&handle, 1)?;
    /// assert_eq!(STACK.push(&handle, 2).unwrap_err().into_inner(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<K, F> Full<(K, F)> {
    /// The key; drops what was to make the value.
    pub(super) fn into_key(self) -> Full<K> {
        let Self((key, make)) = self;
        // Before the key is on its way out: if this panics, the key is dropped
        // and not leaked.
        drop(make);
        Full(key)
    }
}

const FULL: &str = "no place is free: each is in use, kept by another handle, held back by an open \
     guard, or waits for an eager handle, or the allocator has no memory; take something out, drop \
     guards, flush an eager handle, or make it larger";

impl<T> fmt::Debug for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Full").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FULL)
    }
}

impl<T> core::error::Error for Full<T> {}

/// Nothing was changed. The value that was to be stored comes back.
///
/// ```
/// use hyaline::{Collector, domain, safe::{Domain, Map, Refused}};
///
/// domain!(App: Collector<2> = Collector::new());
/// static MAP: Map<u32, &str, 4, 8, App> = Map::new();
///
/// let handle = App::register()?;
/// assert!(MAP.insert(&handle, 1, "one").is_ok());
/// match MAP.insert(&handle, 1, "uno").unwrap_err() {
///     Refused::Mismatch((key, value)) => assert_eq!((key, value), (1, "uno")),
///     Refused::Full(_) => unreachable!("there is room"),
/// }
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Refused<T> {
    /// No block is free, as [`Full`]. A call looks for one first, so this one may be
    /// refused for a mismatch when there is a block.
    Full(T),
    /// The structure has not what the call expects: the version or the value is
    /// another one, the key is there already, or it is not there.
    Mismatch(T),
}

impl<T> Refused<T> {
    /// The value.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Map}};
    /// # domain!(App: Collector<2> = Collector::new());
    /// # static MAP: Map<u32, &str, 4, 8, App> = Map::new();
    /// # let handle = App::register()?;
    /// # MAP.insert(&handle, 1, "one").unwrap();
    /// let refused = MAP.insert(&handle, 1, "uno").unwrap_err();
    /// assert_eq!(refused.into_inner(), (1, "uno"));
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(value) | Self::Mismatch(value) => value,
        }
    }
}

impl<T> From<Full<T>> for Refused<T> {
    fn from(full: Full<T>) -> Self {
        Self::Full(full.0)
    }
}

impl<T> fmt::Debug for Refused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Mismatch(_) => "Mismatch(..)",
        })
    }
}

impl<T> fmt::Display for Refused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => FULL,
            Self::Mismatch(_) => {
                "what is there is not what the call asks for: it is another version, or the key is \
                 there already, or is not there; read again and decide anew"
            }
        })
    }
}

impl<T> core::error::Error for Refused<T> {}
