//! No magazines: on small targets the tree is as near as one.

use core::ptr;

use super::super::tree::Tree;
use crate::{Link, sync::impl_init};

/// No blocks: where there are no caches, the tree is as near as a
/// magazine.
pub(crate) struct Magazine;

impl_init!(Magazine = Magazine);

impl Magazine {
    pub(crate) const SIZE_BITS: u32 = 0;

    pub(crate) const fn size(_: usize) -> usize {
        0
    }

    pub(crate) fn start(&self, _: usize) {}

    pub(crate) fn shut(&self) {}

    #[inline(always)]
    pub(crate) fn near(&self) -> usize {
        0
    }

    #[inline(always)]
    pub(crate) fn set_near(&self, _: usize) {}

    pub(crate) fn as_link(&self) -> *mut Link {
        ptr::null_mut()
    }

    #[inline(always)]
    pub(crate) fn claim(&self, _: usize) -> bool {
        false
    }

    #[inline(always)]
    pub(crate) fn claim_to_keep(&self, _: usize) -> bool {
        false
    }

    pub(crate) fn unclaim(&self) {}

    pub(crate) fn unclaim_of(&self, _: usize) {}

    #[inline(always)]
    pub(crate) fn take(&self, _: usize, _: bool, _: Tree) -> *mut Link {
        ptr::null_mut()
    }

    #[inline(always)]
    pub(crate) unsafe fn keep(_: *mut Link, _: Tree, _: usize, _: usize) -> bool {
        false
    }

    pub(crate) fn seems_empty(&self) -> bool {
        true
    }

    pub(crate) fn give_back(&self) {}

    pub(crate) fn give_back_to(&self, _: Tree) {}

    pub(crate) fn reset(&self) {}
}
