//! A memory map whose regions tell when they are unmapped.

#![allow(dead_code)] // each test uses a part

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

use vm_memory::{
    Bytes, GuestAddress, GuestMemoryRegion, GuestMemoryRegionBytes, GuestRegionCollection,
    GuestRegionMmap, GuestUsize, MemoryRegionAddress, MmapRegion, VolatileSlice,
    guest_memory::Result,
};

pub type Map = GuestRegionCollection<Region>;

/// The size of each region.
pub const SIZE: usize = 0x1000;
/// Where a region begins that stays.
pub const BOOT: GuestAddress = GuestAddress(0);
/// Where another one is plugged in and out.
pub const DIMM: GuestAddress = GuestAddress(0x10_0000);

/// What happens to a region; it outlives the region.
#[derive(Default)]
pub struct Life {
    pub number: u64,
    /// Accesses that are under way.
    users: AtomicUsize,
    unmapped: AtomicUsize,
    /// An access met a region that was unmapped, or one was unmapped meanwhile.
    wrong: AtomicBool,
    at_end: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Life {
    pub fn new(number: u64) -> Arc<Self> {
        Arc::new(Self {
            number,
            ..Self::default()
        })
    }

    /// How often it was unmapped.
    pub fn unmapped(&self) -> usize {
        self.unmapped.load(SeqCst)
    }

    pub fn is_wrong(&self) -> bool {
        self.wrong.load(SeqCst)
    }

    pub fn unmap(&self) {
        if self.unmapped.fetch_add(1, SeqCst) != 0 || self.users.load(SeqCst) != 0 {
            self.wrong.store(true, SeqCst);
        }
    }

    /// What the unmapping does, besides.
    pub fn at_end(&self, call: impl FnOnce() + Send + 'static) {
        *self.at_end.lock().unwrap() = Some(Box::new(call));
    }

    /// An access.
    pub fn access(&self, access: impl FnOnce()) {
        self.users.fetch_add(1, SeqCst);
        if self.unmapped() != 0 {
            self.wrong.store(true, SeqCst);
        }
        access();
        self.users.fetch_sub(1, SeqCst);
    }
}

/// Sets a flag when it is dropped, also in a panic: others then end, too.
pub struct AtEnd<'a>(pub &'a AtomicBool);

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// Memory of the guest, mapped as `GuestRegionMmap` has it.
pub struct Region {
    mapped: GuestRegionMmap<()>,
    pub life: Arc<Life>,
}

impl Region {
    /// Its first word is the number of its life.
    pub fn new(start: GuestAddress, life: &Arc<Life>) -> Arc<Self> {
        let (protection, flags) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
        );
        let mapping = MmapRegion::build(None, SIZE, protection, flags).unwrap();
        let mapped = GuestRegionMmap::new(mapping, start).unwrap();
        let first = MemoryRegionAddress(0);
        mapped.store(life.number, first, SeqCst).unwrap();
        let life = life.clone();
        Arc::new(Self { mapped, life })
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        self.life.unmap();
        let at_end = self.life.at_end.lock().unwrap().take();
        if let Some(call) = at_end {
            call();
        }
    }
}

impl GuestMemoryRegionBytes for Region {}

impl GuestMemoryRegion for Region {
    type B = ();

    fn len(&self) -> GuestUsize {
        self.mapped.len()
    }

    fn start_addr(&self) -> GuestAddress {
        self.mapped.start_addr()
    }

    fn bitmap(&self) {}

    fn get_host_address(&self, address: MemoryRegionAddress) -> Result<*mut u8> {
        self.mapped.get_host_address(address)
    }

    fn get_slice(&self, at: MemoryRegionAddress, count: usize) -> Result<VolatileSlice<'_, ()>> {
        self.mapped.get_slice(at, count)
    }
}

/// A map of these regions.
pub fn map(regions: &[(GuestAddress, &Arc<Life>)]) -> Map {
    let region = |(start, life): &(GuestAddress, &Arc<Life>)| Region::new(*start, life);
    Map::from_arc_regions(regions.iter().map(region).collect()).unwrap()
}

/// A map of one region.
pub fn at_boot(life: &Arc<Life>) -> Map {
    map(&[(BOOT, life)])
}

/// The number in the first word of the first region.
pub fn number(map: &Map) -> u64 {
    map.load(BOOT, SeqCst).unwrap()
}
