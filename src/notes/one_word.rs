//! One word for each era.

use core::ptr;

use super::{Lifetime, Notes, PLAIN};

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

    /// Notes the number of a free block, and its pool, in a header whose eras
    /// are no longer needed.
    #[inline]
    pub(crate) fn set_block(&self, number: usize, pool: *mut ()) {
        self.word.set(number);
        self.pointer.set(pool);
    }

    /// What `set_block` noted.
    #[inline]
    pub(crate) fn block(&self) -> (usize, *mut ()) {
        (self.word.get(), self.pointer.get())
    }
}
