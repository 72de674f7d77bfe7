use hyaline::Collector;

fn main() {
    let collector = Collector::<2>::new();
    let deferred = collector.register_deferred().unwrap();
    deferred.collect();
    deferred.limit_reclaims(None);
    let cpu = collector.register_per_cpu().unwrap();
    // SAFETY: one thread.
    unsafe { cpu.get() }.collect_at_most(1);
    deferred.erase().collect();
}
