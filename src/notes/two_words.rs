//! Two eras in 63 bits.

use core::ptr;

use super::{Lifetime, Notes, PLAIN, packed};

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
