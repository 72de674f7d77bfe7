//! The control: cores that reclaim what they unlink without waiting must be
//! caught. If they are not, the torture test proves nothing on this machine.

use crate::{board::Board, node::shelve, rendezvous::Team, world::World};
use hyaline::Scheme;

/// The maximum rounds of a core, and the longest wait in one. The first node
/// that is reclaimed while it is read ends the search.
const ROUNDS: usize = 1_000_000;

/// The last suite of a world, because it leaves the world broken.
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
    for _ in 0..ROUNDS {
        if caught() {
            break;
        }
        if team.core.is_multiple_of(2) {
            world.replace_rashly(&handle, team.core);
            board.relax();
        } else {
            // Another core replaces the node meanwhile.
            let made = world.ledger.made();
            world.watch(&handle.enter(), || {
                let replaced = || world.ledger.made() > made + 1 || caught();
                (0..ROUNDS)
                    .take_while(|_| !replaced())
                    .for_each(|_| board.relax());
            });
        }
    }
    drop(handle);
    team.leader(board, || {
        // AcqRel: as in `World::exchange`.
        let last = world
            .cell
            .swap(core::ptr::null_mut(), portable_atomic::Ordering::AcqRel);
        if !last.is_null() {
            // SAFETY: the swap unlinked it, and every core has finished its
            // last section.
            unsafe { shelve(last.cast()) };
        }
        assert!(caught(), "{label}: reclaiming at once goes unnoticed");
        board.print(format_args!("{label}: reclaiming at once is caught"));
    });
}
