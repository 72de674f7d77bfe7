//! The contestants at the work of the other rows.

use hyaline::{Basic, Membarrier, Robust};

use super::{
    job::{Entry, Job, READER, WRITER},
    machine::{next, pause},
};
use crate::{
    rows::{
        crossbeam,
        mix::{Mixed, Under, start},
        safe,
    },
    scheme::Scheme,
    schemes::{
        crossbeam::Crossbeam,
        haphazard::Haphazard,
        hyaline::{Deferring, Hyaline},
        kovan::Kovan,
        sdd::Sdd,
        seize::Seize,
    },
    shelf::{ArcSwaps, Of, Shelf},
    structures::{list::List, map::Map, queue::Queue, stack::Stack, trie::Trie},
};

/// Between two replacements of a paced writer, in nanoseconds.
const PACE: u64 = 300;

fn shared<S: Shelf<1>>() -> &'static S::Shared {
    Box::leak(S::shared())
}

/// One thread replaces, the others read.
fn beside<S: Shelf<1>, const PAUSE: u64>(threads: usize) -> Option<Job> {
    let shared = (threads > 1).then(shared::<S>)?;
    let mut classes = vec![READER; threads];
    classes[0] = WRITER;
    let work = move |index| {
        let local = S::local(shared);
        for value in 0.. {
            next();
            if index == 0 {
                S::replace(&local, value);
                if PAUSE > 0 {
                    pause(PAUSE);
                }
            } else {
                S::read(&local);
            }
        }
    };
    Some(Job {
        classes,
        work: Box::new(work),
    })
}

/// All read.
fn read<S: Shelf<1>>(threads: usize) -> Option<Job> {
    let shared = shared::<S>();
    let work = move |_| {
        let local = S::local(shared);
        loop {
            next();
            S::read(&local);
        }
    };
    Some(Job {
        classes: vec![READER; threads],
        work: Box::new(work),
    })
}

/// All replace.
fn swap<S: Shelf<1>>(threads: usize) -> Option<Job> {
    let shared = shared::<S>();
    let work = move |index| {
        let local = S::local(shared);
        for value in index as u64.. {
            next();
            S::replace(&local, value);
        }
    };
    Some(Job {
        classes: vec![WRITER; threads],
        work: Box::new(work),
    })
}

/// A mix of look-ups, insertions and removals on all threads.
fn mix<M: Mixed, const READS: u64>(threads: usize) -> Option<Job> {
    let (mixed, worker) = start::<M>();
    let work = move |_| {
        let worker = worker();
        loop {
            next();
            worker.work::<READS>(mixed, 1);
        }
    };
    Some(Job {
        classes: vec![WRITER; threads],
        work: Box::new(work),
    })
}

/// One thread inserts and removes, the others look up.
fn besides<M: Mixed>(threads: usize) -> Option<Job> {
    if threads == 1 {
        return None;
    }
    let (mixed, worker) = start::<M>();
    let mut classes = vec![READER; threads];
    classes[0] = WRITER;
    let work = move |index| {
        let worker = worker();
        loop {
            next();
            if index == 0 {
                worker.work::<0>(mixed, 1);
            } else {
                worker.work::<100>(mixed, 1);
            }
        }
    };
    Some(Job {
        classes,
        work: Box::new(work),
    })
}

/// With as many slots as there are threads, if they are more than 16.
macro_rules! slots {
    ($job:ident $(, $more:tt)*; $small:ty, $large:ty) => {
        |threads| match threads {
            0..=16 => $job::<$small $(, $more)*>(threads),
            _ => $job::<$large $(, $more)*>(threads),
        }
    };
}

type Hy<S, const POOL: bool> = Hyaline<S, POOL>;
type Hy64<S, const POOL: bool> = Hyaline<S, POOL, 64>;

/// Its readers execute no fence.
type Free = Basic<Membarrier>;

/// Two slots for each thread.
type Quiet<S> = Deferring<S, 32>;
type Quiet64<S> = Deferring<S, 128>;

/// The contestants of a row over a shelf.
macro_rules! shelf {
    ($row:literal, $job:ident $(, $more:tt)*) => {{
        let entry = |name, make| Entry { row: $row, name, make };
        vec![
            entry("hyaline", slots!($job $(, $more)*; Of<Hy<Basic, true>>, Of<Hy64<Basic, true>>)),
            entry("hyaline robust", slots!($job $(, $more)*; Of<Hy<Robust, true>>, Of<Hy64<Robust, true>>)),
            entry("hyaline membarrier", slots!($job $(, $more)*; Of<Hy<Free, true>>, Of<Hy64<Free, true>>)),
            entry("hyaline, Box", slots!($job $(, $more)*; Of<Hy<Basic, false>>, Of<Hy64<Basic, false>>)),
            entry("hyaline, RcuCell", slots!($job $(, $more)*; safe::Cell<safe::Fenced>, safe::Cell<safe::Crowd>)),
            entry("crossbeam-epoch", $job::<Of<Crossbeam<true>> $(, $more)*>),
            entry("kovan, recycle", $job::<Of<Kovan<true>> $(, $more)*>),
            entry("sdd", $job::<Of<Sdd> $(, $more)*>),
            entry("seize", $job::<Of<Seize> $(, $more)*>),
            entry("haphazard", $job::<Of<Haphazard<true>> $(, $more)*>),
            entry("arc-swap", $job::<ArcSwaps $(, $more)*>),
        ]
    }};
}

/// The contestants of a row over a structure.
macro_rules! structure {
    ($row:literal, $job:ident $(, $more:tt)*; $of:ident) => {{
        let entry = |name, make| Entry { row: $row, name, make };
        vec![
            entry("hyaline", slots!($job $(, $more)*;
                Under<Hy<Basic, true>, $of<Hy<Basic, true>>>,
                Under<Hy64<Basic, true>, $of<Hy64<Basic, true>>>)),
            entry("hyaline robust", slots!($job $(, $more)*;
                Under<Hy<Robust, true>, $of<Hy<Robust, true>>>,
                Under<Hy64<Robust, true>, $of<Hy64<Robust, true>>>)),
            entry("hyaline membarrier", slots!($job $(, $more)*;
                Under<Hy<Free, true>, $of<Hy<Free, true>>>,
                Under<Hy64<Free, true>, $of<Hy64<Free, true>>>)),
            entry("hyaline, Box", slots!($job $(, $more)*;
                Under<Hy<Basic, false>, $of<Hy<Basic, false>>>,
                Under<Hy64<Basic, false>, $of<Hy64<Basic, false>>>)),
            entry("crossbeam-epoch", structure!(@ $job $of Crossbeam<true> $(, $more)*)),
            entry("kovan, recycle", structure!(@ $job $of Kovan<true> $(, $more)*)),
            entry("sdd", structure!(@ $job $of Sdd $(, $more)*)),
            entry("seize", structure!(@ $job $of Seize $(, $more)*)),
            entry("haphazard", structure!(@ $job $of Haphazard<true> $(, $more)*)),
        ]
    }};
    (@ $job:ident $of:ident $scheme:ty $(, $more:tt)*) => {
        $job::<Under<$scheme, $of<$scheme>> $(, $more)*>
    };
}

/// The crate's own structure.
macro_rules! own {
    ($row:literal, $of:ident, $reads:literal) => {
        own!($row, "hyaline, safe", $of, $reads)
    };
    ($row:literal, $name:literal, $of:ident, $reads:literal) => {
        Entry {
            row: $row,
            name: $name,
            make: slots!(mix, $reads; safe::$of<safe::Fenced>, safe::$of<safe::Crowd>),
        }
    };
}

/// A row with the crate where the threads that read have deferred handles, with fences
/// and without, after its other contestants.
fn with_quiet(mut entries: Vec<Entry>, makes: [fn(usize) -> Option<Job>; 2]) -> Vec<Entry> {
    let ours = |one: &&Entry| one.name.starts_with("hyaline");
    let at = entries.iter().take_while(ours).count();
    let row = entries[0].row;
    let names = [
        <Quiet<Basic> as Scheme>::NAME,
        <Quiet<Free> as Scheme>::NAME,
    ];
    let quiet = names.into_iter().zip(makes);
    entries.splice(at..at, quiet.map(|(name, make)| Entry { row, name, make }));
    entries
}

pub fn all() -> Vec<Entry> {
    let mut all = shelf!("read", read);
    let quiet = [
        slots!(beside, 0; Of<Quiet<Basic>>, Of<Quiet64<Basic>>),
        slots!(beside, 0; Of<Quiet<Free>>, Of<Quiet64<Free>>),
    ];
    all.extend(with_quiet(shelf!("reads-beside", beside, 0), quiet));
    let quiet = [
        slots!(beside, PACE; Of<Quiet<Basic>>, Of<Quiet64<Basic>>),
        slots!(beside, PACE; Of<Quiet<Free>>, Of<Quiet64<Free>>),
    ];
    all.extend(with_quiet(
        shelf!("reads-beside-paced", beside, PACE),
        quiet,
    ));
    all.extend(shelf!("swap", swap));
    all.push(own!("stack", SafeStack, 0));
    all.extend(structure!("stack", mix, 0; Stack));
    all.push(own!("queue", SafeQueue, 0));
    all.push(own!("queue", "hyaline, BlockQueue", SafeBlocks, 0));
    all.extend(structure!("queue", mix, 0; Queue));
    all.push(Entry {
        row: "queue",
        name: "crossbeam SegQueue",
        make: mix::<crossbeam::Segments, 0>,
    });
    all.extend(structure!("list-50", mix, 0; List));
    all.extend(structure!("list-90", mix, 90; List));
    all.push(own!("map-50", SafeMap, 0));
    all.extend(structure!("map-50", mix, 0; Map));
    all.push(own!("map-90", SafeMap, 90));
    all.extend(structure!("map-90", mix, 90; Map));
    type Routes<S> = Under<S, Trie<S>>;
    let quiet = [
        slots!(besides; Routes<Quiet<Basic>>, Routes<Quiet64<Basic>>),
        slots!(besides; Routes<Quiet<Free>>, Routes<Quiet64<Free>>),
    ];
    all.extend(with_quiet(structure!("fib-beside", besides; Trie), quiet));
    all
}
