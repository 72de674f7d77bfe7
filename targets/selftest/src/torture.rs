//! All cores read and replace the same object for a bounded number of rounds.

use crate::{
    api,
    board::Board,
    node::{Node, shelve},
    pool,
    rendezvous::Team,
    world::{BLOCKS, World},
};
use hyaline::{Handle, Scheme, reclaim};
use portable_atomic::Ordering;

/// Rounds of each core: about a second under QEMU.
const ROUNDS: usize = 100_000;

pub fn suite<S: Scheme, B: Board, const W: usize>(
    world: &'static World<S, W>,
    board: &B,
    team: &Team,
    label: &'static str,
) {
    assert!(team.cores <= W, "this world is made for {W} cores");
    team.leader(board, || {
        api::suite(world);
        pool::runs_dry_and_recovers(world);
        board.print(format_args!("{label}: interface and pool ok"));
    });
    let before = world.ledger.made();
    team.wait(board);
    shelves(world, team.core);
    team.leader(board, || {
        world.check_all_reclaimed(label, shelve);
        let nodes = world.ledger.made() - before;
        board.print(format_args!("{label}: torture ok, {nodes} objects"));
    });
    let before = world.ledger.made();
    team.wait(board);
    pooled(world, team.core);
    team.leader(board, || {
        world.check_all_reclaimed(label, reclaim::pooled::<Node>);
        assert_eq!(
            world.pool.available(),
            BLOCKS,
            "{label}: every block is back"
        );
        let nodes = world.ledger.made() - before;
        // Relaxed: after the rendezvous.
        let dry = world.dry.load(Ordering::Relaxed);
        assert!(dry > 0, "{label}: the pool never ran dry");
        board.print(format_args!(
            "{label}: pool torture ok, {nodes} objects, {dry} times dry"
        ));
    });
}

/// Even cores mostly write, odd ones mostly read, and they swap roles half-way.
fn shelves<S: Scheme, const W: usize>(world: &'static World<S, W>, core: usize) {
    let handle = world.register();
    for round in 0..ROUNDS {
        let writer = (core + round / (ROUNDS / 2)).is_multiple_of(2);
        let write_every = if writer { 2 } else { 16 };
        if round % write_every != 0 {
            world.read(&handle, 8);
        } else if !world.replace(&handle, core) {
            // Other cores hold all of this core's nodes: help to reclaim them.
            handle.flush();
        }
        if round % 1024 == 0 {
            nested(world, &handle, core);
        }
    }
    handle.flush();
}

/// Replaces and retires under guards that are still reading.
fn nested<S: Scheme, const W: usize>(
    world: &'static World<S, W>,
    handle: &Handle<'_, S>,
    core: usize,
) {
    let mut outer = handle.enter();
    world.look(&outer, 4);
    if let Some(node) = world.shelves[core].make(handle, &world.ledger) {
        world.swing(&handle.enter(), node, shelve);
    }
    outer.refresh();
    world.look(&outer, 4);
}

/// The same with a pool. Occasionally a core holds its guard until the pool is
/// empty.
fn pooled<S: Scheme, const W: usize>(world: &'static World<S, W>, core: usize) {
    let handle = world.register();
    for round in 0..ROUNDS / 2 {
        world.read(&handle, 4);
        if (core + round).is_multiple_of(3) {
            world.replace_pooled(&handle);
        }
        if (core + round).is_multiple_of(512) {
            let guard = handle.enter();
            // Bounded: the others' blocks may come back all the time.
            let dry = (0..4 * BLOCKS).any(|_| {
                // In robust mode a guard holds only what it protected.
                world.look(&guard, 1);
                !world.swing_pooled(&handle, &guard)
            });
            world.look(&guard, 4);
            // Relaxed: read after a rendezvous.
            world.dry.fetch_add(usize::from(dry), Ordering::Relaxed);
        }
    }
    handle.flush();
}
