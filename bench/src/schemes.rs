//! The contestants.

/// Adds the schemes whose objects are in `Box` to the arguments of a macro.
macro_rules! boxed_schemes {
    ($with:ident!($($arguments:tt)*)) => {
        $with!($($arguments)*
            Hyaline<Basic, false>,
            Hyaline<Robust, false>,
            Sdd,
            Kovan<true>,
            Kovan<false>,
            Crossbeam<true>,
            Crossbeam<false>,
            Seize,
            Haphazard<true>,
        )
    };
}
pub(crate) use boxed_schemes;

pub mod counting;
pub mod crossbeam;
pub mod floor;
pub mod haphazard;
pub mod hyaline;
pub mod kovan;
pub mod lock;
mod raw;
pub mod sdd;
pub mod seize;
