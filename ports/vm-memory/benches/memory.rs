//! `memory()` and an access, beside vm-memory's own `GuestMemoryAtomic`, which is
//! on arc-swap: `cargo bench --package hyaline-vm-memory`.
//!
//! Short rounds of the two take turns, so that what else the machine does meets both,
//! and only the thread's own time counts. Printed are the median of the rounds, in
//! nanoseconds per operation; and of the ratios within a round the median, with the
//! first and the last quartile.
//!
//! With a name and a number of operations it does only that, for callgrind.

use std::hint::black_box;

use hyaline_vm_memory::{GuestMemoryAtomic, Membarrier};
use vm_memory::{
    Bytes, GuestAddress, GuestAddressSpace, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion,
};

type Map = GuestMemoryMmap<()>;

const ROUNDS: usize = 301;
const OPERATIONS: u32 = 20_000;

/// Four regions, as of a small guest: below and above the hole for devices, and
/// two that were plugged in.
fn map() -> Map {
    let starts = [0, 0x1_0000_0000, 0x2_0000_0000, 0x3_0000_0000];
    let ranges = starts.map(|start| (GuestAddress(start), 0x10_0000));
    Map::from_ranges(&ranges).expect("a map")
}

fn memory<A: GuestAddressSpace<M = Map>>(space: &A, _address: GuestAddress) {
    black_box(&*space.memory());
}

/// To a host address.
fn translate<A: GuestAddressSpace<M = Map>>(space: &A, address: GuestAddress) {
    let memory = space.memory();
    let region = memory.find_region(address).expect("mapped");
    let offset = region.to_region_addr(address).expect("inside");
    black_box(region.get_host_address(offset).expect("mapped"));
}

fn read<A: GuestAddressSpace<M = Map>>(space: &A, address: GuestAddress) {
    black_box(space.memory().read_obj::<u64>(address).expect("mapped"));
}

/// A guard within another one, as a device has that looks at the map while it
/// works on a queue.
fn nested<A: GuestAddressSpace<M = Map>>(space: &A, _address: GuestAddress) {
    let outer = space.memory();
    black_box(&*space.memory());
    black_box(&*outer);
}

fn clone<A: GuestAddressSpace<M = Map>>(space: &A, _address: GuestAddress) {
    let memory = space.memory();
    black_box(&*memory.clone());
}

type Operation<A> = (&'static str, fn(&A, GuestAddress));

/// What is measured, on one kind of address space.
fn operations<A: GuestAddressSpace<M = Map>>() -> [Operation<A>; 5] {
    [
        ("memory", memory::<A>),
        ("translate", translate::<A>),
        ("read", read::<A>),
        ("nested", nested::<A>),
        ("clone", clone::<A>),
    ]
}

/// Addresses in all regions, the same for all.
fn repeat<A>(space: &A, operation: fn(&A, GuestAddress), times: u32) {
    let mut address = 0x40_u64;
    for _ in 0..times {
        operation(space, GuestAddress(black_box(address)));
        address = (address + 0x1_0000_0100) & 0x3_000f_ffff;
    }
}

/// The time that this thread has run.
fn now() -> f64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is there to be written.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(result, 0, "the clock of a thread");
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

fn nanoseconds<A>(space: &A, operation: fn(&A, GuestAddress)) -> f64 {
    let start = now();
    repeat(space, operation, OPERATIONS);
    (now() - start) / f64::from(OPERATIONS)
}

/// The first quartile, the median, the last quartile.
fn quartiles(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[values.len() * quarter / 4])
}

fn compare(ours: &GuestMemoryAtomic<Map>, theirs: &vm_memory::GuestMemoryAtomic<Map>) {
    println!("| operation | hyaline ns | arc-swap ns | ratio (quartiles) |");
    println!("|---|--:|--:|---|");
    for ((name, our), (_, their)) in operations().into_iter().zip(operations()) {
        let round = |_| (nanoseconds(ours, our), nanoseconds(theirs, their));
        round(0);
        let rounds: Vec<_> = (0..ROUNDS).map(round).collect();
        let [_, our, _] = quartiles(rounds.iter().map(|(our, _)| *our));
        let [_, their, _] = quartiles(rounds.iter().map(|(_, their)| *their));
        let [first, ratio, last] = quartiles(rounds.iter().map(|(our, their)| our / their));
        println!("| {name} | {our:.1} | {their:.1} | {ratio:.2} ({first:.2} to {last:.2}) |");
    }
}

fn main() {
    let ours = GuestMemoryAtomic::new(map()).expect("a slot");
    let theirs = vm_memory::GuestMemoryAtomic::new(map());
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [kind, name, times] = &arguments[..] {
        let times = times.parse().expect("a number");
        let number = operations::<GuestMemoryAtomic<Map>>()
            .iter()
            .position(|(known, _)| known == name)
            .expect("an operation");
        return match &kind[..] {
            "hyaline" => repeat(&ours, operations()[number].1, times),
            "arc-swap" => repeat(&theirs, operations()[number].1, times),
            _ => panic!("hyaline or arc-swap"),
        };
    }
    println!("membarrier: {:?}\n", Membarrier::prepare());
    compare(&ours, &theirs);
    if Membarrier::use_fences().is_ok() {
        println!("\nwith fences, as in a sandbox without membarrier\n");
        compare(&ours, &theirs);
    }
}
