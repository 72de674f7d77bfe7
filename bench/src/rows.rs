//! The rows of the table: the work that is timed.

mod beside;
pub mod crossbeam;
mod growing;
pub mod mix;
mod pool;
mod publish;
mod register;
pub mod safe;
mod shelf;

use hyaline::{Basic, Membarrier, Robust, SingleCore};

use crate::{
    runner::Contestant,
    schemes::{
        boxed_schemes,
        crossbeam::Crossbeam,
        floor::{Bare, Count, Exchange, Fence, Floor, LockBelow, LockTop},
        haphazard::Haphazard,
        hyaline::Hyaline,
        kovan::Kovan,
        lock::Lock,
        sdd::Sdd,
        seize::Seize,
    },
    shelf::{ArcSwaps, Of, Shelf},
    structures::{list::List, map::Map, queue::Queue, stack::Stack, trie::Trie},
};

use mix::Under;

/// A row of the table.
pub struct Row {
    pub id: &'static str,
    pub title: &'static str,
    /// One thread, so that the instruction counts are the same in each run; or else two.
    pub alone: bool,
    pub contestants: Vec<Contestant>,
}

/// The name on a shelf.
const fn name<S: Shelf<1>>() -> &'static str {
    S::NAME
}

/// Contestants of rows over a shelf. `one` adds those for one thread only,
/// `cell` those that hold one object.
macro_rules! shelf {
    (@list $f:ident $p:literal $($t:ty,)*) => {
        vec![$(Contestant { name: name::<$t>(), make: shelf::$f::<$t, $p> },)*]
    };
    (one $f:ident $p:literal) => {{
        let mut all = shelf!(@list $f $p
            Of<Floor>, Of<Bare<Count>>, Of<Hyaline<Basic<SingleCore>, true>>,);
        all.extend(shelf!(two $f $p));
        all
    }};
    (one cell $f:ident) => {{
        let mut all = shelf!(one $f 1);
        all.extend(shelf!(@list $f 1 safe::Cell<safe::Lone>,));
        all.extend(shelf!(@list $f 1 safe::Cell<safe::Fenced>, safe::Cell<safe::Sturdy>,
            safe::Arcs<safe::Fenced>, safe::Arcs<safe::Sturdy>,));
        all
    }};
    (beside $f:ident) => {{
        let mut all = shelf!(two cell $f);
        all.extend(shelf!(@list $f 1
            beside::Apart<1, true>, beside::Apart<3, false>, beside::Apart<3, true>,));
        all
    }};
    (two cell $f:ident) => {{
        let mut all = shelf!(two $f 1);
        all.extend(shelf!(@list $f 1 safe::Cell<safe::Fenced>, safe::Cell<safe::Sturdy>,
            safe::Arcs<safe::Fenced>, safe::Arcs<safe::Sturdy>,));
        all
    }};
    (two $f:ident $p:literal) => {
        boxed_schemes!(shelf!(@with $f $p))
    };
    (@with $f:ident $p:literal $($boxed:ty,)*) => {
        shelf!(@list $f $p
            Of<Hyaline<Basic, true>>,
            Of<Hyaline<Robust, true>>,
            Of<Hyaline<Basic<Membarrier>, true>>,
            $(Of<$boxed>,)*
            Of<Haphazard<false>>,
            Of<Lock>,
            ArcSwaps,
        )
    };
}

/// Contestants of rows over a structure; `safe` adds the crate's own, without
/// `unsafe`, and `one` those for one thread only.
macro_rules! mix {
    (@list $make:ident, $a:literal, $b:literal, $d:ident, $($s:ty,)*) => {
        vec![$(Contestant {
            name: name::<Of<$s>>(),
            make: mix::$make::<Under<$s, $d<$s>>, $a, $b>,
        },)*]
    };
    (safe $d:ident, $own:ident, $threads:literal, $reads:literal) => {{
        let mut all = mix!(mix, $threads, $reads, $d);
        all.push(Contestant {
            name: "hyaline, safe",
            make: mix::mix::<safe::$own<safe::Fenced>, $threads, $reads>,
        });
        all.push(Contestant {
            name: "hyaline robust, safe",
            make: mix::mix::<safe::$own<safe::Sturdy>, $threads, $reads>,
        });
        all
    }};
    (queue $threads:literal) => {{
        let mut all = mix!(safe Queue, SafeQueue, $threads, 0);
        all.push(Contestant {
            name: "hyaline, BlockQueue",
            make: mix::mix::<safe::SafeBlocks<safe::Fenced>, $threads, 0>,
        });
        all.push(Contestant {
            name: "hyaline robust, BlockQueue",
            make: mix::mix::<safe::SafeBlocks<safe::Sturdy>, $threads, 0>,
        });
        all.push(Contestant {
            name: "crossbeam-epoch, its own",
            make: mix::mix::<crossbeam::Own, $threads, 0>,
        });
        all.push(Contestant {
            name: "crossbeam SegQueue",
            make: mix::mix::<crossbeam::Segments, $threads, 0>,
        });
        all
    }};
    (one $d:ident, $reads:literal) => {{
        let mut all = mix!(@list mix, 1, $reads, $d,
            Floor, Bare<Count>, Hyaline<Basic<SingleCore>, true>,);
        all.extend(mix!(mix, 1, $reads, $d));
        all
    }};
    ($make:ident, $a:literal, $b:literal, $d:ident) => {
        boxed_schemes!(mix!(@with $make, $a, $b, $d,))
    };
    (@with $make:ident, $a:literal, $b:literal, $d:ident, $($boxed:ty,)*) => {
        mix!(@list $make, $a, $b, $d,
            Hyaline<Basic, true>,
            Hyaline<Robust, true>,
            Hyaline<Basic<Membarrier>, true>,
            $($boxed,)*
            Lock,
        )
    };
}

/// All rows.
#[rustfmt::skip] // a table
pub fn all() -> Vec<Row> {
    let row = |id, title, alone, contestants| Row { id, title, alone, contestants };
    vec![
        row("read-1", "Enter, read 1 object, leave", true, shelf!(one cell read)),
        row("read-1-own", "Enter, read 1 object, leave, with the thread's handle on its stack", true, shelf!(one cell read_own)),
        row("read-8", "Enter, read 8 objects, leave", true, shelf!(one read 8)),
        row("read-64", "Enter, read 64 objects, leave", true, shelf!(one read 64)),
        row("swap", "Enter, make an object, swap it in, retire the old one, leave", true, shelf!(one cell swap)),
        row("read-1-two", "Read 1 object, 2 threads", false, shelf!(two cell read_two)),
        row("read-8-two", "Read 8 objects, 2 threads", false, shelf!(two read_two 8)),
        row("read-64-two", "Read 64 objects, 2 threads", false, shelf!(two read_two 64)),
        row("swap-two", "Swap and retire, 2 threads, 1 pointer", false, shelf!(two cell swap_two)),
        row("reads-beside", "Read 1 object beside a thread that swaps it", false, shelf!(beside reads_beside)),
        row("reads-beside-paced", "Read 1 object beside a thread that swaps it every 300 ns or so", false, shelf!(two cell reads_beside_paced)),
        row("writes-beside", "Swap and retire beside a thread that reads", false, shelf!(beside writes_beside)),
        row("stack", "Treiber stack, push and pop, 2 threads", false, mix!(safe Stack, SafeStack, 2, 0)),
        row("queue", "Michael-Scott queue, enqueue and dequeue, 2 threads", false, mix!(queue 2)),
        row("list-50", "Harris-Michael list, half inserts, half removals, 2 threads", false, mix!(mix, 2, 0, List)),
        row("list-90", "Harris-Michael list, 90 % look-ups, 2 threads", false, mix!(mix, 2, 90, List)),
        row("map-50", "Hash map, half inserts, half removals, 2 threads", false, mix!(safe Map, SafeMap, 2, 0)),
        row("map-90", "Hash map, 90 % look-ups, 2 threads", false, mix!(safe Map, SafeMap, 2, 90)),
        row("stack-one", "Treiber stack, push and pop, 1 thread", true, mix!(safe Stack, SafeStack, 1, 0)),
        row("queue-one", "Michael-Scott queue, enqueue and dequeue, 1 thread", true, mix!(queue 1)),
        row("list-one", "Harris-Michael list, 90 % look-ups, 1 thread", true, mix!(mix, 1, 90, List)),
        row("map-one", "Hash map, 90 % look-ups, 1 thread", true, mix!(safe Map, SafeMap, 1, 90)),
        row("growing-50", "Hash map that grows, half inserts, half removals, 2 threads", false, growing::contestants::<2, 0>()),
        row("growing-90", "Hash map that grows, 90 % look-ups, 2 threads", false, growing::contestants::<2, 90>()),
        row("growing-100", "Hash map that grows, look-ups, 2 threads", false, growing::contestants::<2, 100>()),
        row("growing-one-50", "Hash map that grows, half inserts, half removals, 1 thread", true, growing::contestants::<1, 0>()),
        row("growing-one-90", "Hash map that grows, 90 % look-ups, 1 thread", true, growing::contestants::<1, 90>()),
        row("growing-one-100", "Hash map that grows, look-ups, 1 thread", true, growing::contestants::<1, 100>()),
        row("growing-one-found", "Hash map that grows, look-ups of keys that are there, 1 thread", true, growing::found()),
        row("fib", "The table of the example fib: look-ups, 1 thread", true, mix!(one Trie, 100)),
        row("fib-two", "The table of the example fib: look-ups, 2 threads", false, mix!(mix, 2, 100, Trie)),
        row("fib-beside", "The table of the example fib: look-ups beside a thread that announces routes", false, mix!(besides, 100, 0, Trie)),
        row("publish", "Publish a batch of 1 object, N slots, all claimed or 64, one active", true, publish::contestants()),
        row("pool", "A pool that is nearly full: free a block and take one; ask in vain", true, pool::contestants()),
        row("register", "Register and release", true, vec![
            Contestant { name: "hyaline", make: register::basic },
            Contestant { name: "hyaline robust", make: register::robust },
            Contestant { name: "crossbeam-epoch", make: register::crossbeam },
            Contestant { name: "seize", make: register::seize },
            Contestant { name: "haphazard", make: register::haphazard },
        ]),
        row("quiescent", "Read 1 object and pass a quiescent point, under one guard", true, vec![
            Contestant { name: "floor", make: register::bare_load },
            Contestant { name: "floor, one look", make: register::load_and_look },
            Contestant { name: "hyaline", make: register::quiescent::<Basic> },
            Contestant { name: "hyaline robust", make: register::quiescent::<Robust> },
        ]),
        row("light", "Light barriers in a bare loop", true, vec![
            Contestant { name: "floor", make: shelf::read::<Of<Floor>, 1> },
            Contestant { name: name::<Of<Bare<Count>>>(), make: shelf::read::<Of<Bare<Count>>, 1> },
            Contestant { name: name::<Of<Bare<Fence>>>(), make: shelf::read::<Of<Bare<Fence>>, 1> },
            Contestant { name: name::<Of<Bare<LockTop>>>(), make: shelf::read::<Of<Bare<LockTop>>, 1> },
            Contestant { name: name::<Of<Bare<LockBelow>>>(), make: shelf::read::<Of<Bare<LockBelow>>, 1> },
            Contestant { name: name::<Of<Bare<Exchange>>>(), make: shelf::read::<Of<Bare<Exchange>>, 1> },
        ]),
    ]
}
