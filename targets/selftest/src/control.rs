//! The control: cores that reclaim what they unlink without waiting must be caught. If
//! they are not, the torture proves nothing on this machine.

use crate::{Board, node::shelve, rendezvous::Team, world::World};
use hyaline::Scheme;

/// The most rounds of a core. The first read of a reclaimed node ends the hunt.
const ROUNDS: usize = 1_000_000;
/// Looks of a reader at a node, so that a core which is stopped is often stopped there.
const LOOKS: u32 = 256;

/// The last suite of a world: what it does to it is wrong.
pub fn suite<S: Scheme, B: Board, const W: usize>(
    world: &'static World<S, W>,
    board: &B,
    team: &Team,
    label: &str,
) {
    let before = world.ledger.torn();
    let caught = || world.ledger.torn() > before;
    team.wait(board);
    let handle = world.register();
    for round in 0..ROUNDS {
        if team.core.is_multiple_of(2) {
            world.replace_rashly(&handle, team.core);
        } else {
            world.read(&handle, LOOKS);
        }
        if caught() {
            break;
        }
        // Threads that share one processor.
        if round % 64 == 63 {
            board.relax();
        }
    }
    drop(handle);
    team.leader(board, || {
        // AcqRel: as in `World::exchange`.
        let last = world
            .cell
            .swap(core::ptr::null_mut(), portable_atomic::Ordering::AcqRel);
        if !last.is_null() {
            // SAFETY: the swap unlinked it, and every core is past its last section.
            unsafe { shelve(last.cast()) };
        }
        assert!(caught(), "{label}: reclaiming at once goes unnoticed");
        board.print(format_args!("{label}: reclaiming at once is caught"));
    });
}
