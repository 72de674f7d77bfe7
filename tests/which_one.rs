//! The sizes on the page `docs/which-one.md`: its table is computed, and the
//! recipe for basic mode is tried with sections as long as they may be.

#![cfg(not(hyaline_loom))]

use std::num::{NonZeroU16, NonZeroUsize};

use hyaline::{AtomicPtr, Collector, Config, Deferred, Guard, Handle, Linked, Pool, reclaim};

const PAGE: &str = include_str!("../docs/which-one.md");

const SLOTS: usize = 4;
const IN_USE: usize = 17;

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Row {
    pending: usize,
    blocks: usize,
    on_64_bits: usize,
}

/// The blocks that slots keep on 64-bit targets, as the page says it.
fn with_kept(blocks: usize) -> usize {
    let mut all = blocks;
    while all < blocks + SLOTS * (all / 32) {
        all += 1;
    }
    all
}

fn basic(batch: usize, retired_in_a_section: usize) -> Row {
    let pending = SLOTS * (batch + retired_in_a_section);
    let blocks = IN_USE + pending;
    Row {
        pending,
        blocks,
        on_64_bits: with_kept(blocks),
    }
}

fn config(batch: usize) -> Config {
    let batch = NonZeroU16::new(batch as u16).expect("not zero");
    Config::new()
        .with_batch(batch)
        .with_era_step(NonZeroUsize::MIN)
}

fn robust(batch: usize, stalls: usize) -> Row {
    let config = config(batch);
    let pending = config.most_pending(SLOTS, stalls, IN_USE);
    let blocks = IN_USE + pending;
    let size = config.pool_size(SLOTS, stalls, IN_USE);
    if cfg!(target_pointer_width = "64") {
        assert_eq!(size, with_kept(blocks), "the page says how many are kept");
    } else {
        assert_eq!(size, blocks);
    }
    Row {
        pending,
        blocks,
        on_64_bits: with_kept(blocks),
    }
}

#[test]
fn the_table_is_computed() {
    let mut rows = 0;
    for line in PAGE.lines() {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [what, ref numbers @ ..] = cells[..] else {
            continue;
        };
        let numbers: Vec<usize> = numbers
            .iter()
            .filter_map(|cell| cell.parse().ok())
            .collect();
        let [pending, blocks, on_64_bits] = numbers[..] else {
            continue;
        };
        let number = |before: &str| {
            let (_, rest) = what.split_once(before)?;
            rest.split(' ').next()?.trim_end_matches(',').parse().ok()
        };
        let batch = number("batch ").unwrap_or_else(|| panic!("{line}: no batch"));
        let computed = match number("`R` = ") {
            Some(retired) => basic(batch, retired),
            None => robust(batch, number(&format!("batch {batch}, ")).unwrap_or(0)),
        };
        let printed = Row {
            pending,
            blocks,
            on_64_bits,
        };
        assert_eq!(printed, computed, "{line}");
        rows += 1;
    }
    assert_eq!(rows, 8, "a table of other rows");
}

/// Readers whose sections overlap as unfavourably as chance makes them, each
/// open until `R` objects have been retired in it.
struct Reader<'h> {
    handle: &'h Handle<'h, hyaline::Basic, Deferred>,
    section: Option<(Guard<'h, hyaline::Basic, Deferred>, usize)>,
}

impl Reader<'_> {
    fn may(&mut self, open: bool) {
        match (open, &self.section) {
            (true, None) => self.section = Some((self.handle.enter(), 0)),
            (false, Some(_)) => self.section = None,
            _ => {}
        }
    }
}

/// Allocations that failed in a pool of `K` blocks, with batches of 4, and 3
/// objects at most retired while a section is open.
fn refused<const K: usize>(seed: u64, changes: usize) -> usize {
    const RETIRED: usize = 3;
    // Dropped last: the collector gives blocks back to it.
    let pool = Pool::<u64, K>::new();
    let collector = Collector::<SLOTS>::with_config(Config::new().batch::<4>());
    let writers = [(); 2].map(|()| collector.register().expect("a slot"));
    let handles = [(); 2].map(|()| collector.register_deferred().expect("a slot"));
    let mut readers = handles.each_ref().map(|handle| Reader {
        handle,
        section: None,
    });
    let table: [AtomicPtr<Linked<u64>>; IN_USE - 1] = std::array::from_fn(|n| {
        AtomicPtr::new(pool.alloc(&writers[0], n as u64).expect("a block"))
    });
    let mut state = seed;
    let mut random = |bound: usize| {
        // Knuth's MMIX generator; its high bits are good enough here.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    let mut refused = 0;
    for change in 0..changes {
        for reader in &mut readers {
            match random(4) {
                0 => reader.may(true),
                1 => reader.may(false),
                _ => {}
            }
            // As long as it may be: the next retire would be one too many.
            if reader.section.as_ref().is_some_and(|(_, n)| *n == RETIRED) {
                reader.may(false);
                reader.may(true);
            }
        }
        // One writer is much slower: what it retires waits long for its batch.
        let writer = &writers[usize::from(random(16) == 0)];
        let Ok(new) = pool.alloc(writer, change as u64) else {
            refused += 1;
            continue;
        };
        let guard = writer.enter();
        let old = guard.swap(
            &table[random(IN_USE - 1)],
            new,
            std::sync::atomic::Ordering::AcqRel,
        );
        // SAFETY: the swap unlinked it; it is from a pool that is never freed.
        unsafe { guard.defer_retire(old, reclaim::pooled::<u64>) };
        drop(guard);
        for reader in &mut readers {
            if let Some((_, retired)) = &mut reader.section {
                *retired += 1;
            }
        }
    }
    refused
}

const BASIC: usize = if cfg!(target_pointer_width = "64") {
    49
} else {
    45
};

#[test]
fn the_recipe_for_basic_mode_is_enough() {
    assert!(PAGE.contains("=  45"));
    let (seeds, changes) = if cfg!(miri) { (1, 200) } else { (50, 20_000) };
    for seed in 0..seeds {
        assert_eq!(refused::<BASIC>(seed, changes), 0, "seed {seed}");
    }
}

/// The sections do hold something back.
#[test]
fn blocks_for_what_is_in_use_are_too_few() {
    assert!(refused::<IN_USE>(1, 200) > 0);
}
