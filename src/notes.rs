//! The two words of a header in which a scheme keeps its notes.
//!
//! In basic mode the first object of a chain notes the section that the chain
//! waits for, and the chain's last object. In robust mode each object notes
//! the era of its birth and, once it is published, the era of its retirement.
//!
//! A flag says that the object's reclaimer runs no user code, so that contexts
//! in which no destructor may run can free its memory.
//!
//! On 64-bit targets an era is a word, less the bit of the flag. Elsewhere an
//! era has two words, and the two eras of a retired object are [`packed`] into
//! 64 bits. 16-bit targets have basic mode only.

use core::ptr;

use crate::sync::{Cell, const_fn};

/// The birth era of an object, and the era in which it was retired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    pub(crate) birth: u64,
    pub(crate) retired: u64,
}

/// The flag, in `word`, of a retired object whose reclaimer runs no user code.
const PLAIN: usize = 1;

pub(crate) struct Notes {
    word: Cell<usize>,
    /// In basic mode the last object of a chain; in robust mode part of the
    /// eras; while a reclaimer runs, whatever it needs.
    pointer: Cell<*mut ()>,
}

impl Notes {
    const_fn! {
        pub(crate) const fn new() -> Self {
            Self {
                word: Cell::new(0),
                pointer: Cell::new(ptr::null_mut()),
            }
        }
    }

    /// Whether the reclaimer runs no user code.
    pub(crate) fn is_plain(&self) -> bool {
        self.word.get() & PLAIN != 0
    }

    /// Notes the section that a chain waits for, and its last object.
    pub(crate) fn wait_for(&self, section: usize, last: *mut ()) {
        let plain = self.word.get() & PLAIN;
        self.word.set(section << 1 | plain);
        self.pointer.set(last);
    }

    /// Notes the number of a free block, and its pool, in a header whose eras
    /// are no longer needed.
    #[cfg(target_pointer_width = "64")]
    #[inline]
    pub(crate) fn set_block(&self, number: usize, pool: *mut ()) {
        self.word.set(number);
        self.pointer.set(pool);
    }

    /// What `set_block` noted.
    #[cfg(target_pointer_width = "64")]
    #[inline]
    pub(crate) fn block(&self) -> (usize, *mut ()) {
        (self.word.get(), self.pointer.get())
    }

    /// The section and the last object that `wait_for` noted.
    pub(crate) fn waits_for(&self) -> (usize, *mut ()) {
        (self.word.get() >> 1, self.pointer.get())
    }
}

/// One word for each era.
#[cfg(target_pointer_width = "64")]
impl Notes {
    /// Notes the birth era of a live object.
    pub(crate) fn set_birth(&self, birth: u64) {
        self.pointer
            .set(ptr::without_provenance_mut(birth as usize));
    }

    /// The birth era of an object that is not published.
    #[inline]
    pub(crate) fn birth(&self) -> u64 {
        self.pointer.get().addr() as u64
    }

    /// Notes that the object is retired.
    #[inline]
    pub(crate) fn retire(&self, plain: bool) {
        self.word.set(plain.into());
    }

    /// Notes the era of retirement.
    #[inline]
    pub(crate) fn set_retired(&self, retired: u64) {
        let plain = self.word.get() & PLAIN;
        self.word.set((retired as usize) << 1 | plain);
    }

    /// The eras of an object that is published.
    #[inline]
    pub(crate) fn lifetime(&self) -> Lifetime {
        Lifetime {
            birth: self.birth(),
            retired: (self.word.get() >> 1) as u64,
        }
    }
}

/// Two eras in 63 bits.
#[cfg(not(target_pointer_width = "64"))]
impl Notes {
    fn bits(&self) -> u64 {
        (self.pointer.get().addr() as u64) << usize::BITS | self.word.get() as u64
    }

    fn set_bits(&self, bits: u64) {
        self.word.set(bits as usize);
        let high = (bits >> usize::BITS) as usize;
        self.pointer.set(ptr::without_provenance_mut(high));
    }

    /// Notes the birth era of a live object.
    pub(crate) fn set_birth(&self, birth: u64) {
        self.set_bits(birth << 1);
    }

    /// The birth era of an object that is not published.
    pub(crate) fn birth(&self) -> u64 {
        self.bits() >> 1
    }

    /// Notes that the object is retired.
    pub(crate) fn retire(&self, plain: bool) {
        self.word.set(self.word.get() & !PLAIN | usize::from(plain));
    }

    /// Notes the era of retirement.
    pub(crate) fn set_retired(&self, retired: u64) {
        let birth = self.birth();
        let lifetime = packed::pack(Lifetime { birth, retired });
        self.set_bits(lifetime << 1 | u64::from(self.is_plain()));
    }

    /// The eras of an object that is published.
    pub(crate) fn lifetime(&self) -> Lifetime {
        packed::unpack(self.bits() >> 1)
    }
}

/// Birth and retirement in 63 bits: the era of retirement in 47, and the age
/// at that time as a small floating-point number in 16.
///
/// Rounding only lengthens a life: an object may wait for a section that cannot
/// hold it, and is never reclaimed early. Ages below 2,048 eras are exact,
/// others are within one part in 1,024. After 2^47 eras, 44 years at 100,000 a
/// second, every section holds every object.
#[cfg_attr(target_pointer_width = "64", allow(dead_code))] // tested on every width
mod packed {
    use super::Lifetime;

    const RETIRED_BITS: u32 = 47;
    /// The last era, which stands for itself and all later ones.
    const LAST: u64 = (1 << RETIRED_BITS) - 1;
    const FRACTION_BITS: u32 = 11;
    /// An age that is too long to be represented.
    const ANCIENT: u64 = 0xffff;

    pub(super) fn pack(lifetime: Lifetime) -> u64 {
        let Lifetime { birth, retired } = lifetime;
        if retired >= LAST {
            return ANCIENT << RETIRED_BITS | LAST;
        }
        age(retired.saturating_sub(birth)) << RETIRED_BITS | retired
    }

    pub(super) fn unpack(bits: u64) -> Lifetime {
        let (age, retired) = (bits >> RETIRED_BITS, bits & LAST);
        let fraction = age & ((1 << FRACTION_BITS) - 1);
        Lifetime {
            birth: match age {
                ANCIENT => 0,
                _ => retired.saturating_sub(fraction << (age >> FRACTION_BITS)),
            },
            retired: if retired == LAST { u64::MAX } else { retired },
        }
    }

    /// Five bits of exponent and eleven of fraction, rounded up.
    fn age(eras: u64) -> u64 {
        let mut exponent = (u64::BITS - eras.leading_zeros()).saturating_sub(FRACTION_BITS);
        let mut fraction = eras.div_ceil(1 << exponent);
        if fraction >> FRACTION_BITS != 0 {
            fraction >>= 1;
            exponent += 1;
        }
        if exponent > 31 {
            return ANCIENT;
        }
        u64::from(exponent) << FRACTION_BITS | fraction
    }

    #[cfg(all(test, not(hyaline_loom)))]
    mod tests {
        use super::*;

        /// Any pair of eras, mostly near powers of two, is unpacked to the same
        /// life or a longer one, within the error that the module states.
        #[test]
        fn packing_never_shortens_a_life() {
            let near =
                |power: u32| (-3..=3_i64).map(move |d| (1_u64 << power).wrapping_add_signed(d));
            let step = if cfg!(miri) { 7 } else { 1 };
            let eras = || {
                (0..62)
                    .step_by(step)
                    .flat_map(near)
                    .chain([0, LAST - 1, LAST, LAST + 1])
            };
            for retired in eras() {
                for birth in eras().filter(|birth| *birth <= retired) {
                    let life = unpack(pack(Lifetime { birth, retired }));
                    assert!(life.birth <= birth && life.retired >= retired);
                    let age = retired - birth;
                    if retired >= LAST {
                        assert_eq!((life.birth, life.retired), (0, u64::MAX));
                    } else if age < 2048 {
                        assert_eq!((life.birth, life.retired), (birth, retired));
                    } else if age <= 2046 << 31 {
                        assert!(birth - life.birth <= age / 1024, "{birth} {retired}");
                    }
                }
            }
        }
    }
}
