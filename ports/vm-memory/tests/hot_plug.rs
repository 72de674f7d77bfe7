//! vCPUs and a device use a guest's memory while regions are plugged in and out.
//!
//! A region that is unmapped while it is used, or twice, is noticed; so is one that
//! is never unmapped. As a control the same runs on an address space whose
//! `replace` unmaps at once.

mod common;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use common::{AtEnd, BOOT, DIMM, Life, Map, Region, SIZE, map};
use hyaline_vm_memory::GuestMemoryAtomic;
use vm_memory::{
    Address, Bytes, GuestAddress, GuestAddressSpace, GuestMemoryBackend, GuestMemoryRegion,
};

const VCPUS: u64 = 3;
/// How long guests run; and how long the control may.
const RUN: Duration = Duration::from_secs(2);
const CONTROL: Duration = Duration::from_secs(60);
/// Regions at most: Miri has no time for more.
const REGIONS: u64 = if cfg!(miri) { 25 } else { u64::MAX };

/// An address space whose map can be replaced.
trait Replaceable: GuestAddressSpace<M = Map, T: Send + 'static> + Send + Sync {
    fn replace(&self, map: Map);
}

impl Replaceable for GuestMemoryAtomic<Map> {
    fn replace(&self, map: Map) {
        self.lock().unwrap().replace(map);
    }
}

/// The control: it "unmaps" what is gone from the map at once. The memory stays, so
/// that an access which comes too late is no undefined behaviour.
#[derive(Clone)]
struct Unprotected(Arc<Mutex<Arc<Map>>>);

impl GuestAddressSpace for Unprotected {
    type M = Map;
    type T = Arc<Map>;

    fn memory(&self) -> Arc<Map> {
        self.0.lock().unwrap().clone()
    }
}

impl Replaceable for Unprotected {
    fn replace(&self, map: Map) {
        let new = Arc::new(map);
        let old = std::mem::replace(&mut *self.0.lock().unwrap(), new.clone());
        for region in old.iter() {
            if new.find_region(region.start_addr()).is_none() {
                region.life.unmap();
            }
        }
    }
}

/// One access, by a vCPU or the device `number`: a word of its own in the memory
/// that stays, and one in what is plugged in, if it is there.
fn access(memory: &Map, number: u64) {
    let own = |base: GuestAddress| base.unchecked_add(8 * (1 + number));
    let count: u64 = memory.load(own(BOOT), SeqCst).unwrap();
    memory.store(count + 1, own(BOOT), SeqCst).unwrap();
    let Some(dimm) = memory.find_region(DIMM) else {
        return;
    };
    dimm.life.access(|| {
        assert_eq!(memory.load::<u64>(DIMM, SeqCst).unwrap(), dimm.life.number);
        memory.store(count, own(DIMM), SeqCst).unwrap();
        thread::yield_now();
        assert_eq!(memory.load::<u64>(own(DIMM), SeqCst).unwrap(), count);
    });
}

/// Plugs regions in and out until the time is over, or something went wrong.
/// Returns the lives of the regions.
fn plug(space: &impl Replaceable, until: Instant) -> Vec<Arc<Life>> {
    let mut lives = Vec::new();
    for number in 1..=REGIONS {
        let life = Life::new(number);
        lives.push(life.clone());
        let dimm = Region::new(DIMM, &life);
        let larger = space.memory().insert_region(dimm).unwrap();
        space.replace(larger);
        thread::yield_now();
        let (smaller, removed) = space.memory().remove_region(DIMM, SIZE as u64).unwrap();
        space.replace(smaller);
        drop(removed);
        if Instant::now() > until || lives.iter().rev().take(8).any(|life| life.is_wrong()) {
            break;
        }
    }
    lives
}

/// Runs a guest. Returns the lives of its regions, and how many accesses its memory
/// counted.
fn run(space: impl Replaceable, boot: &Life, time: Duration) -> (Vec<Arc<Life>>, u64) {
    let (over, until) = (AtomicBool::new(false), Instant::now() + time);
    let (sender, receiver) = mpsc::sync_channel(8);
    let lives = thread::scope(|scope| {
        for number in 0..VCPUS {
            let (space, over, sender) = (&space, &over, sender.clone());
            scope.spawn(move || {
                for turn in 0_u64.. {
                    if over.load(SeqCst) {
                        break;
                    }
                    let memory = space.memory();
                    access(&memory, number);
                    // A request to the device: a clone as `DescriptorChain` has it,
                    // or the guard itself, used here before.
                    match turn % 8 {
                        0 => sender.send(memory.clone()).unwrap(),
                        1 => {
                            sender.send(memory).unwrap();
                            continue;
                        }
                        2 => access(&space.memory(), number),
                        _ => {}
                    }
                    access(&memory, number);
                }
            });
        }
        drop(sender);
        scope.spawn(|| {
            receiver
                .into_iter()
                .for_each(|memory| access(&memory, VCPUS))
        });
        let _over = AtEnd(&over);
        plug(&space, until)
    });
    let counted = |number: u64| {
        let at = BOOT.unchecked_add(8 * (1 + number));
        space.memory().load::<u64>(at, SeqCst).unwrap()
    };
    let accesses = (0..=VCPUS).map(counted).sum();
    assert_eq!(boot.unmapped(), 0);
    (lives, accesses)
}

#[test]
fn regions_are_unmapped_once_and_not_while_they_are_used() {
    let boot = Life::new(0);
    let space = GuestMemoryAtomic::new(map(&[(BOOT, &boot)])).unwrap();
    let (lives, accesses) = run(space, &boot, RUN);
    println!("{} regions, {accesses} accesses", lives.len());
    assert!(accesses > 0);
    for life in lives.iter().chain([&boot]) {
        assert_eq!(
            (life.unmapped(), life.is_wrong()),
            (1, false),
            "{}",
            life.number
        );
    }
}

#[test]
fn an_address_space_that_unmaps_at_once_is_caught() {
    let boot = Life::new(0);
    let space = Unprotected(Arc::new(Mutex::new(Arc::new(map(&[(BOOT, &boot)])))));
    let start = Instant::now();
    let (lives, _) = run(space, &boot, CONTROL);
    let time = start.elapsed();
    println!("caught after {time:?}, {} regions", lives.len());
    assert!(lives.iter().any(|life| life.is_wrong()));
}
