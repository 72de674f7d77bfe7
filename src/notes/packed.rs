//! Birth and retirement in 63 bits: the era of retirement in 47, and the age
//! at that time as a small floating-point number in 16.
//!
//! Rounding only lengthens a life: an object may wait for a section that cannot
//! hold it, and is never reclaimed early. Packed eras that are read as a birth,
//! because a header was used again, are no later than the life before, or seem to
//! lie in the future: then the object counts as older than every section. Ages
//! below 2,048 eras are exact, others are within one part in 1,024. After 2^47
//! eras, 44 years at 100,000 a second, every section holds every object.

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
    // A birth that is yet to come is what a former life left in the header: its owner
    // used the memory again, without a new one.
    let age = retired.checked_sub(birth).map_or(ANCIENT, age);
    age << RETIRED_BITS | retired
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

    /// A life after another one, with the header of that.
    #[test]
    fn a_header_of_a_former_life_lengthens_the_next() {
        for (birth, retired) in [(0, 0), (7, 7), (0, 7), (1, 5000), (1 << 40, LAST - 9)] {
            let birth = pack(Lifetime { birth, retired });
            let next = retired + 2;
            let life = unpack(pack(Lifetime {
                birth,
                retired: next,
            }));
            assert!(life.birth <= retired && life.retired >= next);
        }
    }

    /// Any pair of eras, mostly near powers of two, is unpacked to the same
    /// life or a longer one, within the error that the module states.
    #[test]
    fn packing_never_shortens_a_life() {
        let near = |power: u32| (-3..=3_i64).map(move |d| (1_u64 << power).wrapping_add_signed(d));
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
