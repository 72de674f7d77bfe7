//! The functions of each kind of collector, by the names that C uses.

/// The schemes, by their names in prefixes.
pub(crate) mod schemes {
    use hyaline::Config;

    use crate::{api::Kind, barrier};

    pub type Basic = hyaline::Basic<barrier::Fences>;
    pub type Robust = hyaline::Robust<barrier::Fences>;
    pub type Single = hyaline::Basic<barrier::Single>;
    pub type RobustSingle = hyaline::Robust<barrier::Single>;
    #[cfg(feature = "platform-barrier")]
    pub type Platform = hyaline::Basic<barrier::Platform>;
    #[cfg(feature = "platform-barrier")]
    pub type RobustPlatform = hyaline::Robust<barrier::Platform>;

    macro_rules! kind {
        ($($scheme:ty: $barrier:expr;)*) => {$(
            impl Kind for $scheme {
                const CONFIG: Config<Self::Barrier> = Config::new().barrier($barrier);
            }
        )*};
    }

    kind! {
        Basic: barrier::Fences;
        Robust: barrier::Fences;
        Single: barrier::Single;
        RobustSingle: barrier::Single;
    }
    #[cfg(feature = "platform-barrier")]
    kind! {
        Platform: barrier::Platform;
        RobustPlatform: barrier::Platform;
    }
}

/// Exports the functions of `api` for a kind. Each has the header's contract.
macro_rules! export {
    ($module:ident, $prefix:literal, $scheme:ty;
     $(fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        #[doc = concat!("The functions `", $prefix, "_…`.")]
        #[allow(missing_docs)] // the header has it
        #[allow(clippy::missing_safety_doc)] // as above
        pub mod $module {
            #[allow(unused_imports)]
            use crate::{kinds::prelude::*, kinds::schemes};
            type S = $scheme;
            $(
                #[unsafe(export_name = concat!($prefix, "_", stringify!($name)))]
                pub unsafe extern "C" fn $name($($argument: $type),*) $(-> $result)? {
                    #[allow(unused_unsafe)] // some have none
                    // SAFETY: the header's contract.
                    unsafe { crate::api::$name::<S>($($argument),*) }
                }
            )*

            /// Each function, as C declares it.
            #[cfg(test)]
            pub(crate) fn declarations() -> std::vec::Vec<std::string::String> {
                use crate::signature::Declared;
                std::vec![$({
                    let function: unsafe extern "C" fn($($type),*) $(-> $result)? = $name;
                    let name = concat!("HYALINE_(", stringify!($name), ")");
                    function.declaration(name, &[$(stringify!($argument)),*])
                }),*]
            }
        }
    };
}

/// The list, once.
macro_rules! kinds {
    ($($(#[$attribute:meta])* $module:ident, $prefix:literal, $scheme:ty;)*) => {$(
        $(#[$attribute])*
        export! { $module, $prefix, $scheme;
            fn size(slots: usize) -> usize;
            fn align() -> usize;
            fn init_checked(
                collector: *mut MaybeUninit<Collector<S>>,
                memory: *mut c_void,
                bytes: usize,
                slots: usize,
                config: *const Config,
                abi: usize
            ) -> c_int;
            fn destroy(collector: *mut Collector<S>) -> c_int;
            fn register(collector: *const Collector<S>, handle: *mut MaybeUninit<Handle<S>>) -> c_int;
            fn register_deferred(collector: *const Collector<S>, handle: *mut MaybeUninit<Handle<S>>) -> c_int;
            fn register_per_cpu(collector: *const Collector<S>, handle: *mut MaybeUninit<Handle<S>>) -> c_int;
            fn unregister(handle: *mut Handle<S>);
            fn evict(collector: *const Collector<S>, id: Id) -> c_int;
            fn request_restart(collector: *const Collector<S>, slot: usize) -> bool;
            fn slot_state(collector: *const Collector<S>, slot: usize, state: *mut MaybeUninit<CSlotState>) -> bool;
            fn oldest(collector: *const Collector<S>, state: *mut MaybeUninit<CSlotState>) -> bool;
            fn stats(collector: *const Collector<S>, stats: *mut MaybeUninit<CStats>) -> c_int;
            fn slot(handle: *const Handle<S>) -> usize;
            fn id(handle: *const Handle<S>) -> Id;
            fn is_evicted(handle: *const Handle<S>) -> bool;
            fn enter(handle: *const Handle<S>);
            fn leave(handle: *const Handle<S>);
            fn refresh(handle: *const Handle<S>);
            fn restart_requested(handle: *const Handle<S>) -> bool;
            fn protect(handle: *const Handle<S>, place: *const Place) -> *mut c_void;
            fn protect_own(handle: *const Handle<S>, object: *mut Link);
            fn swap(handle: *const Handle<S>, place: *mut Place, object: *mut c_void) -> *mut c_void;
            fn compare_exchange(
                handle: *const Handle<S>,
                place: *mut Place,
                expected: *mut *mut c_void,
                object: *mut c_void
            ) -> bool;
            fn compare_exchange_weak(
                handle: *const Handle<S>,
                place: *mut Place,
                expected: *mut *mut c_void,
                object: *mut c_void
            ) -> bool;
            fn stamp(handle: *const Handle<S>, object: *mut Link);
            fn retire(handle: *const Handle<S>, object: *mut Link, reclaim: CReclaimer);
            fn defer_retire(handle: *const Handle<S>, object: *mut Link, reclaim: CReclaimer);
            fn flush(handle: *const Handle<S>) -> usize;
            fn collect(handle: *const Handle<S>, at_most: usize) -> usize;
            fn limit_reclaims(handle: *const Handle<S>, reclaimers: usize) -> c_int;
            fn synchronize(handle: *const Handle<S>, relax: Option<Function>, argument: *mut c_void) -> c_int;
            fn start(handle: *const Handle<S>) -> CToken;
            fn poll(handle: *const Handle<S>, token: *mut CToken) -> bool;
            fn call_later(
                handle: *const Handle<S>,
                callback: *mut Callback,
                function: Function,
                argument: *mut c_void
            ) -> c_int;
            fn pool_alloc(handle: *const Handle<S>, pool: *mut Pool) -> *mut c_void;
        }
    )*};
}

/// The types of the list.
mod prelude {
    pub use core::{
        ffi::{c_int, c_void},
        mem::MaybeUninit,
    };

    pub use hyaline::Link;

    pub use crate::{pool::Pool, types::*};
}

kinds! {
    basic, "hyaline", schemes::Basic;
    robust, "hyaline_robust", schemes::Robust;
    single, "hyaline_single", schemes::Single;
    robust_single, "hyaline_robust_single", schemes::RobustSingle;
    #[cfg(feature = "platform-barrier")]
    platform, "hyaline_platform", schemes::Platform;
    #[cfg(feature = "platform-barrier")]
    robust_platform, "hyaline_robust_platform", schemes::RobustPlatform;
}
