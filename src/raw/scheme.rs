//! The variants of the algorithm: basic and robust.

use core::marker::PhantomData;

use super::era::{EraPolicy, Eras, NoEras};
use crate::{Barrier, Fences};

mod sealed {
    pub trait Sealed {}
}

/// Mode and barrier of a collector: [`Basic`] or [`Robust`].
///
/// ```
/// use hyaline::{Guard, Scheme};
///
/// /// Works with every collector.
/// fn read<S: Scheme>(guard: &Guard<'_, S>) {
///     let _ = guard;
/// }
/// ```
pub trait Scheme: sealed::Sealed + 'static {
    /// The pair of barriers.
    type Barrier: Barrier;
    #[doc(hidden)]
    type Eras: EraPolicy;
    #[doc(hidden)]
    const ROBUST: bool;
}

/// Hyaline-1, the faster mode. A reader that stalls inside a section holds back
/// every object that is published after it entered.
///
/// ```
/// use hyaline::{Basic, Collector, Config, SingleCore};
///
/// // SAFETY: this program has one core.
/// const CONFIG: Config<SingleCore> = Config::new().barrier(unsafe { SingleCore::new() });
/// static C: Collector<4, Basic<SingleCore>> = Collector::with_config(CONFIG);
/// # assert!(C.register().is_ok());
/// ```
#[derive(Debug)]
pub struct Basic<B: Barrier = Fences>(PhantomData<B>);

/// Hyaline-1S. A reader that stalls holds back only objects that were allocated
/// before it stalled, so memory is bounded: see [`bound`](crate::bound).
///
/// ```
/// use hyaline::{Collector, Robust};
///
/// static C: Collector<4, Robust> = Collector::new();
/// # assert!(C.register().is_ok());
/// ```
#[derive(Debug)]
pub struct Robust<B: Barrier = Fences>(PhantomData<B>);

impl<B: Barrier> sealed::Sealed for Basic<B> {}
impl<B: Barrier> sealed::Sealed for Robust<B> {}

impl<B: Barrier> Scheme for Basic<B> {
    type Barrier = B;
    type Eras = NoEras;
    const ROBUST: bool = false;
}

impl<B: Barrier> Scheme for Robust<B> {
    type Barrier = B;
    type Eras = Eras;
    const ROBUST: bool = true;
}
