//! The simplest shared structure: a row of pointers, read and replaced. An
//! `Arc` swap can implement it too, although it is not a reclamation scheme.

use core::{hint::black_box, marker::PhantomData};
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::scheme::{Scheme, make};

/// `P` shared objects.
pub trait Shelf<const P: usize>: 'static {
    const NAME: &'static str;
    type Shared: Sync + 'static;
    type Local<'a>;

    fn shared() -> Box<Self::Shared>;
    fn local(shared: &Self::Shared) -> Self::Local<'_>;
    /// One section that reads them all.
    fn read(local: &Self::Local<'_>);
    /// One section that replaces the first.
    fn replace(local: &Self::Local<'_>, value: u64);
}

/// A shelf under a scheme.
pub struct Of<S>(PhantomData<S>);

/// The pointers, and their collector.
pub struct Cells<S: Scheme, const P: usize> {
    domain: Box<S::Domain<u64>>,
    cells: [S::Cell<u64>; P],
}

impl<S: Scheme, const P: usize> Shelf<P> for Of<S> {
    const NAME: &'static str = S::NAME;
    type Shared = Cells<S, P>;
    type Local<'a> = (S::Local<'a, u64>, &'a [S::Cell<u64>; P]);

    fn shared() -> Box<Cells<S, P>> {
        let domain = S::domain();
        let local = S::local(&domain, 1);
        let cells = core::array::from_fn(|index| {
            let guard = S::enter_write(&local);
            S::cell(S::alloc(&guard, index as u64).expect("there is room"))
        });
        drop(local);
        Box::new(Cells { domain, cells })
    }

    fn local(shared: &Cells<S, P>) -> Self::Local<'_> {
        (S::local(&shared.domain, P), &shared.cells)
    }

    #[inline(always)]
    fn read((local, cells): &Self::Local<'_>) {
        let guard = S::enter(local);
        let read = |index, cell| {
            let ptr = S::protect(&guard, index, cell);
            // SAFETY: protected, and never null.
            black_box(*unsafe { S::deref(ptr) });
        };
        // Eight at a time: the speed of a loop of four instructions depends on
        // its address.
        let (eights, rest) = cells.as_chunks::<8>();
        for (outer, eight) in eights.iter().enumerate() {
            for (inner, cell) in eight.iter().enumerate() {
                read(outer * 8 + inner, cell);
            }
        }
        for (index, cell) in rest.iter().enumerate() {
            read(eights.len() * 8 + index, cell);
        }
    }

    #[inline(always)]
    fn replace((local, cells): &Self::Local<'_>, value: u64) {
        let (guard, new) = make::<S, _>(local, || value);
        let old = S::swap(&guard, &cells[0], new);
        // SAFETY: the swap unlinked it.
        unsafe { S::retire(&guard, old) };
    }
}

/// Reference counts that are swapped.
pub struct ArcSwaps;

impl<const P: usize> Shelf<P> for ArcSwaps {
    const NAME: &'static str = "arc-swap";
    type Shared = [ArcSwap<u64>; P];
    type Local<'a> = &'a [ArcSwap<u64>; P];

    fn shared() -> Box<Self::Shared> {
        Box::new(core::array::from_fn(|index| {
            ArcSwap::from_pointee(index as u64)
        }))
    }

    fn local(shared: &Self::Shared) -> Self::Local<'_> {
        shared
    }

    #[inline(always)]
    fn read(local: &Self::Local<'_>) {
        // All are held until the section ends, as in the others.
        let guards: [_; P] = core::array::from_fn(|index| {
            let guard = local[index].load();
            black_box(**guard);
            guard
        });
        drop(guards);
    }

    #[inline(always)]
    fn replace(local: &Self::Local<'_>, value: u64) {
        local[0].store(Arc::new(value));
    }
}
