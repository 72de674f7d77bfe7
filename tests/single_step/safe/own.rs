//! Custom objects, in an `Atomic`.

use hyaline::{
    Role,
    safe::{Atomic, Domain, Guard, Handle, Heap, Origin, Owned, Shared, SharedPool},
};

use super::{super::Value, World};

impl<D: Domain> World<D> {
    /// What a new custom object is, if there is memory.
    pub fn own<R: Role>(&self, handle: &Handle<D, R>) -> Option<Owned<Value, D, SharedPool>> {
        Owned::new(self.pool, handle, self.value()).ok()
    }

    pub fn look_at<P: Origin>(&self, object: Shared<'_, Value, D, P>) -> u32 {
        object.as_ref().map_or(0, |value| self.look(value))
    }

    /// Replaces the object, and retires the old one.
    pub fn swing<R: Role>(&self, handle: &Handle<D, R>, to_null: bool) {
        let new = if to_null { None } else { self.own(handle) };
        let guard = handle.enter();
        let old = match new {
            Some(new) => self.place.swap(new, &guard),
            None => self.place.swap(Shared::null(), &guard),
        };
        let stamp = self.look_at(old);
        if !old.is_null() {
            // SAFETY: unlinked by the swap.
            unsafe { guard.retire(old) };
        }
        old.as_ref().inspect(|value| self.same(value, stamp));
    }

    pub fn swing_heap<R: Role>(&self, handle: &Handle<D, R>, to_null: bool) {
        let guard = handle.enter();
        let old = match Owned::in_heap(handle, self.value()) {
            Ok(new) if !to_null => self.heap_place.swap(new, &guard),
            _ => self.heap_place.swap(Shared::null(), &guard),
        };
        self.look_at(old);
        if !old.is_null() {
            // SAFETY: unlinked by the swap.
            unsafe { guard.retire(old) };
        }
        self.look_at(old);
    }
}

pub fn loads_own<D: Domain>(w: &World<D>) {
    let guard = w.cpu().enter();
    let (first, second) = (w.place.load(&guard), w.heap_place.load(&guard));
    let stamps = (w.look_at(first), w.look_at(second));
    first.as_ref().inspect(|value| w.same(value, stamps.0));
    second.as_ref().inspect(|value| w.same(value, stamps.1));
}

pub fn swings_own<D: Domain>(w: &World<D>) {
    w.swing(w.cpu(), false);
    w.swing_heap(w.cpu(), false);
}

pub fn exchanges_own<D: Domain>(w: &World<D>) {
    let guard = w.cpu().enter();
    let seen = w.place.load(&guard);
    let stamp = w.look_at(seen);
    if let Some(new) = w.own(w.cpu()) {
        match w.place.compare_exchange(seen, new, &guard) {
            // SAFETY: unlinked by the exchange.
            Ok(old) if !old.is_null() => unsafe { guard.retire(old) },
            Ok(_) => {}
            Err(changed) => _ = w.look_at(changed.current),
        }
    }
    seen.as_ref().inspect(|value| w.same(value, stamp));
}

/// Marks what it finds, and takes the mark away.
pub fn tags_own<D: Domain>(w: &World<D>) {
    let guard = w.cpu().enter();
    let before = w.place.fetch_or(1, &guard);
    let stamp = w.look_at(before);
    let marked = before.with_tag(before.tag() | 1);
    let _ = w.place.compare_exchange(marked, before.with_tag(0), &guard);
    before.as_ref().inspect(|value| w.same(value, stamp));
}

/// Objects that nobody else finds.
pub fn owns<D: Domain>(w: &World<D>) {
    let guard = w.cpu().enter();
    let Some(owned) = w.own(w.cpu()) else { return };
    let shared = owned.into_shared(&guard);
    w.look_at(shared);
    // SAFETY: not published, and `shared` is not used again.
    let owned = unsafe { shared.into_owned() };
    let place = owned.map_or(Atomic::null(), Atomic::new);
    // SAFETY: not retired while it is used.
    w.look_at(unsafe { place.load_unguarded() });
    // SAFETY: only this call has it.
    if let Some(owned) = unsafe { place.into_owned() } {
        w.look(&owned.into_inner());
    }
}

pub fn owns_on_the_heap<D: Domain>(w: &World<D>) {
    if let Ok(owned) = Owned::<_, D, Heap>::in_heap(w.cpu(), w.value()) {
        w.look(&owned);
        drop(owned);
    }
}

pub fn finds_alone<D: Domain>(w: &World<D>) {
    let Some(owned) = w.own(w.cpu()) else { return };
    let place = Atomic::new(owned);
    let body = |guard: &Guard<'_, D>| {
        let found = place.load(guard);
        w.look_at(found);
        let _ = place.swap(Shared::null(), guard);
        // SAFETY: unlinked.
        unsafe { guard.retire(found) };
        w.look_at(found);
    };
    // SAFETY: only this call finds the object.
    unsafe { Guard::with_unprotected(body) };
}
