//! Rows over a shelf: reading, replacing, and both.

use std::hint::black_box;

use crate::{
    runner::{Run, beside, timed, together},
    shelf::Shelf,
};

/// Collectors live until the process ends, like the peers' global ones.
fn leak<T>(value: Box<T>) -> &'static T {
    Box::leak(value)
}

/// Enter, protect and read `P` objects, leave.
pub fn read<S: Shelf<P>, const P: usize>() -> Run {
    let local = S::local(leak(S::shared()));
    Box::new(move |n| timed(|| read_loop::<S, P>(&local, n)))
}

/// The same with the handle in the function that reads: the compiler sees
/// everything that happens to it.
pub fn read_own<S: Shelf<P>, const P: usize>() -> Run {
    let shared = leak(S::shared());
    Box::new(move |n| {
        timed(|| {
            let local = S::local(shared);
            for _ in 0..n {
                S::read(&local);
            }
        })
    })
}

/// The same on two threads.
pub fn read_two<S: Shelf<P>, const P: usize>() -> Run {
    let shared = leak(S::shared());
    Box::new(move |n| {
        together(
            n,
            || S::local(shared),
            |_, local, n| read_loop::<S, P>(local, n),
        )
    })
}

/// Enter, make an object, swap it in, retire the previous one, leave.
pub fn swap<S: Shelf<P>, const P: usize>() -> Run {
    let local = S::local(leak(S::shared()));
    Box::new(move |n| timed(|| swap_loop::<S, P>(&local, n)))
}

/// The same on two threads.
pub fn swap_two<S: Shelf<P>, const P: usize>() -> Run {
    let shared = leak(S::shared());
    Box::new(move |n| {
        together(
            n,
            || S::local(shared),
            |_, local, n| swap_loop::<S, P>(local, n),
        )
    })
}

/// Reads, timed, while another thread replaces.
pub fn reads_beside<S: Shelf<P>, const P: usize>() -> Run {
    let shared = leak(S::shared());
    Box::new(move |n| {
        let local = || S::local(shared);
        beside(n, local, read_loop::<S, P>, swap_loop::<S, P>)
    })
}

/// Reads, timed, while another thread replaces at about the same rate for all
/// contestants.
pub fn reads_beside_paced<S: Shelf<P>, const P: usize>() -> Run {
    /// Iterations of an empty loop, one per cycle or slower.
    const PAUSE: u32 = 800;
    let shared = leak(S::shared());
    Box::new(move |n| {
        let paced = |local: &S::Local<'_>, n| {
            for value in 0..n {
                S::replace(local, value);
                for turn in 0..PAUSE {
                    black_box(turn);
                }
            }
        };
        beside(n, || S::local(shared), read_loop::<S, P>, paced)
    })
}

/// Replacements, timed, while another thread reads.
pub fn writes_beside<S: Shelf<P>, const P: usize>() -> Run {
    let shared = leak(S::shared());
    Box::new(move |n| {
        let local = || S::local(shared);
        beside(n, local, swap_loop::<S, P>, read_loop::<S, P>)
    })
}

#[inline(never)]
fn read_loop<S: Shelf<P>, const P: usize>(local: &S::Local<'_>, n: u64) {
    for _ in 0..n {
        S::read(local);
    }
}

#[inline(never)]
fn swap_loop<S: Shelf<P>, const P: usize>(local: &S::Local<'_>, n: u64) {
    for value in 0..n {
        S::replace(local, value);
    }
}
