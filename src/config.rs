//! What can be chosen when a collector is made.

use crate::{Barrier, Fences};

/// The numbers of a [`Config`].
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Objects a handle retires before it tries to publish them.
    pub(crate) batch: usize,
    /// Objects a handle makes before the era goes on.
    pub(crate) era_step: usize,
}

/// How a collector works: the batch size, the era step, the barrier. All
/// methods are `const`.
///
/// ```
/// use hyaline::{Collector, Config, Robust};
///
/// static C: Collector<4, Robust> =
///     Collector::with_config(Config::new().batch::<8>().era_step::<2>());
/// # assert!(C.register().is_ok());
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Config<B: Barrier = Fences> {
    pub(crate) settings: Settings,
    /// The value shows that the barrier may be used, see
    /// [`SingleCore::new`](crate::SingleCore::new).
    #[allow(dead_code)] // nobody needs to read it
    barrier: B,
}

impl Config {
    /// The defaults: [`Fences`], and on 64-bit targets batches of 64 objects
    /// and an era step of 64; on others, which are short of memory, 16 and 4.
    ///
    /// ```
    /// use hyaline::{Collector, Config, Robust};
    ///
    /// static C: Collector<2, Robust> = Collector::with_config(Config::new());
    /// # assert!(C.register().is_ok());
    /// ```
    pub const fn new() -> Self {
        let (batch, era_step) = match size_of::<usize>() {
            8 => (64, 64),
            _ => (16, 4),
        };
        Self {
            settings: Settings { batch, era_step },
            barrier: Fences,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

impl<B: Barrier> Config<B> {
    /// Objects that a handle retires before it publishes them: larger batches
    /// cost less per object and keep more objects waiting.
    ///
    /// ```
    /// const SMALL: hyaline::Config = hyaline::Config::new().batch::<4>();
    /// # let _ = SMALL;
    /// ```
    ///
    /// A batch of 0 does not compile:
    ///
    /// ```compile_fail
    /// const C: hyaline::Config = hyaline::Config::new().batch::<0>();
    /// ```
    pub const fn batch<const OBJECTS: usize>(mut self) -> Self {
        const { assert!(OBJECTS > 0, "a batch has at least one object") };
        self.settings.batch = OBJECTS;
        self
    }

    /// Robust mode: objects that a handle makes before the era goes on. A
    /// stalled reader can hold what was made in the era in which it stalled,
    /// so a small pool needs a small step. Basic mode has no eras.
    ///
    /// ```
    /// const SMALL: hyaline::Config = hyaline::Config::new().era_step::<1>();
    /// # let _ = SMALL;
    /// ```
    ///
    /// A step of 0 does not compile:
    ///
    /// ```compile_fail
    /// const C: hyaline::Config = hyaline::Config::new().era_step::<0>();
    /// ```
    pub const fn era_step<const OBJECTS: usize>(mut self) -> Self {
        const { assert!(OBJECTS > 0, "the era goes on after at least one object") };
        self.settings.era_step = OBJECTS;
        self
    }

    /// Another pair of barriers. The value is the proof that it may be used.
    ///
    /// ```
    /// use hyaline::{Config, SingleCore};
    ///
    /// // SAFETY: this program has one core.
    /// const CONFIG: Config<SingleCore> = Config::new().barrier(unsafe { SingleCore::new() });
    /// # let _ = CONFIG;
    /// ```
    pub const fn barrier<C: Barrier>(self, barrier: C) -> Config<C> {
        Config {
            settings: self.settings,
            barrier,
        }
    }
}
