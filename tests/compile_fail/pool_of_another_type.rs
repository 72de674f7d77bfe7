use hyaline::{Collector, Pool};

static NAMES: Pool<String, 4> = Pool::new();
static NUMBERS: Pool<u32, 4> = Pool::new();

fn main() {
    let collector = Collector::<1>::new();
    let handle = collector.register().unwrap();
    let object = NAMES.alloc(&handle, String::from("seven")).unwrap();
    // SAFETY: it is not of this pool.
    unsafe { NUMBERS.retire(&handle, object) };
    let guard = handle.enter();
    // SAFETY: it is not of this pool.
    unsafe { NUMBERS.defer_retire(&guard, object) };
}
