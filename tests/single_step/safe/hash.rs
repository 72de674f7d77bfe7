//! The map that grows.

use hyaline::safe::Domain;

use super::{KEYS, World};

pub fn hash_gets<D: Domain>(w: &World<D>) {
    let guard = w.cpu().enter();
    w.look_at([2, 1].map(|key| w.hash().get(&guard, &key)));
    let _ = w.hash().contains_key(w.cpu(), &3);
}

pub fn hash_iterates<D: Domain>(w: &World<D>) {
    let guard = w.cpu().enter();
    for (_, value) in w.hash().iter(&guard) {
        w.look_at([Some(value)]);
    }
    if w.hash().len() > 1_000 {
        w.ledger.note();
    }
    let _ = w.hash().is_empty();
}

pub fn hash_inserts<D: Domain>(w: &World<D>) {
    for key in [1, 3] {
        let _ = w.hash().insert(w.cpu(), key, w.value());
    }
}

/// As many as make the first buckets too few.
pub fn hash_grows<D: Domain>(w: &World<D>) {
    for key in KEYS..KEYS + 4 {
        let _ = w.hash().insert(w.cpu(), key, w.value());
    }
}

pub fn hash_sets<D: Domain>(w: &World<D>) {
    let guard = w.cpu().enter();
    let before = w.hash().get(&guard, &1);
    let _ = w.hash().upsert(w.cpu(), 1, w.value());
    let _ = w.hash().replace(w.cpu(), 1, w.value());
    w.look_at([before, w.hash().get(&guard, &1)]);
}

pub fn hash_compares<D: Domain>(w: &World<D>) {
    let guard = w.cpu().enter();
    let before = w.hash().get(&guard, &1);
    if let Some(before) = before {
        let _ = w.hash().compare_exchange(w.cpu(), 1, before, w.value());
    }
    w.look_at([before]);
}

pub fn hash_gets_or_inserts<D: Domain>(w: &World<D>) {
    if let Ok(value) = w.hash().get_or_insert(w.cpu(), 1, w.value()) {
        w.look_at([Some(&*value)]);
    }
    if let Ok(value) = w.hash().get_or_insert_with(w.cpu(), 3, || w.value()) {
        w.look_at([Some(&*value)]);
    }
}

pub fn hash_updates<D: Domain>(w: &World<D>) {
    let new = w.hash().update(w.cpu(), &1, |old| {
        w.look(old);
        w.value()
    });
    if let Ok(Some(new)) = new {
        w.look_at([Some(&*new)]);
    }
}

pub fn hash_removes<D: Domain>(w: &World<D>) {
    let guard = w.cpu().enter();
    let before = w.hash().get(&guard, &1);
    w.look_at([before, w.hash().remove(&guard, &1)]);
    let found = w.hash().remove_if(&guard, &0, |_, value| w.look(value) > 0);
    w.look_at([found]);
}

pub fn hash_retains<D: Domain>(w: &World<D>) {
    w.hash().retain(w.cpu(), |key, value| {
        w.look(value);
        *key != 1
    });
}

pub fn hash_clears<D: Domain>(w: &World<D>) {
    w.hash().clear(w.cpu());
}
