//! The parameters of a collector.

use core::num::{NonZeroU16, NonZeroUsize};

use crate::{Barrier, Fences};

/// The numbers of a [`Config`].
///
/// They are stored XORed with the defaults, so that a collector with the
/// defaults is all zeros and lies in `.bss`. As parameters of the scheme's type
/// they would be no memory at all; but a collector that is made at run time would
/// need them in memory too, so there would be two ways to read each.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    batch: usize,
    era_step: usize,
}

/// The default batch and the default era step; 64-bit targets have the memory
/// for large ones.
const DEFAULT_BATCH: usize = if usize::BITS < 64 { 16 } else { 64 };
const DEFAULT_ERA_STEP: usize = if usize::BITS < 64 { 4 } else { 64 };

impl Settings {
    /// Objects that a handle retires before it publishes them.
    pub(crate) const fn batch(&self) -> usize {
        self.batch ^ DEFAULT_BATCH
    }

    /// Objects that a handle allocates before the clock ticks.
    pub(crate) const fn era_step(&self) -> usize {
        self.era_step ^ DEFAULT_ERA_STEP
    }
}

/// How a collector works: the batch size, the era step, the barrier. All
/// methods are `const`.
///
/// A static collector with the default numbers is all zeros and lies in `.bss`.
/// With other numbers it lies in `.data`, and takes its size once more in flash:
/// 28 bytes a slot on a 32-bit microcontroller, 48 in robust mode. Where that
/// counts, make it [in place](crate::CollectorView::in_place), in memory without
/// an initial value.
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
    #[allow(dead_code)] // never read
    barrier: B,
}

impl Config {
    /// The defaults: [`Fences`]; batches of 64 objects and an era step of 64 on
    /// 64-bit targets; 16 and 4 on others, which have less memory.
    ///
    /// ```
    /// use hyaline::{Collector, Config, Robust};
    ///
    /// static C: Collector<2, Robust> = Collector::with_config(Config::new());
    /// # assert!(C.register().is_ok());
    /// ```
    pub const fn new() -> Self {
        Self {
            settings: Settings {
                batch: 0,
                era_step: 0,
            },
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
    /// Objects that a handle retires before it publishes them, at most 65,535.
    /// Larger batches cost less per object and delay more objects. Of a small
    /// pool fewer wait: an eager handle that retires through
    /// [`Pool::defer_retire`](crate::Pool::defer_retire), or through a cell, a stack, a
    /// queue or a map in [`safe`](crate::safe), publishes when it has retired a quarter
    /// of the blocks.
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
    pub const fn batch<const OBJECTS: usize>(self) -> Self {
        const { assert!(OBJECTS > 0, "a batch has at least one object") };
        const {
            assert!(
                OBJECTS <= u16::MAX as usize,
                "a batch has at most 65,535 objects"
            )
        };
        self.store_batch(OBJECTS)
    }

    /// [`batch`](Self::batch), with a number known at run time.
    ///
    /// ```
    /// use core::num::NonZeroU16;
    ///
    /// let config = hyaline::Config::new().with_batch(NonZeroU16::MIN);
    /// # let _ = config;
    /// ```
    pub const fn with_batch(self, objects: NonZeroU16) -> Self {
        self.store_batch(objects.get() as usize)
    }

    const fn store_batch(mut self, objects: usize) -> Self {
        self.settings.batch = objects ^ DEFAULT_BATCH;
        self
    }

    /// Robust mode: objects that a handle allocates before the next era begins.
    /// A stalled reader can hold what was allocated in the era in which it
    /// stalled. An era also ends when an object is left for a section, and each object of
    /// a per-CPU handle begins one, so [the bound](crate::bound) does not
    /// depend on the step. Basic mode has no eras.
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
    pub const fn era_step<const OBJECTS: usize>(self) -> Self {
        const { assert!(OBJECTS > 0, "an era lasts for at least one object") };
        self.store_era_step(OBJECTS)
    }

    /// [`era_step`](Self::era_step), with a number known at run time.
    ///
    /// ```
    /// use core::num::NonZeroUsize;
    ///
    /// let config = hyaline::Config::new().with_era_step(NonZeroUsize::MIN);
    /// # let _ = config;
    /// ```
    pub const fn with_era_step(self, objects: NonZeroUsize) -> Self {
        self.store_era_step(objects.get())
    }

    const fn store_era_step(mut self, objects: usize) -> Self {
        self.settings.era_step = objects ^ DEFAULT_ERA_STEP;
        self
    }

    /// Sets the pair of barriers. The value proves that it may be used.
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
