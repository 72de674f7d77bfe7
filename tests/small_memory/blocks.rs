//! What a structure has in use, and what may hold the rest of its blocks.

/// An open section: its slot and when it began.
#[derive(Clone, Copy, PartialEq)]
pub struct Section {
    pub slot: usize,
    pub began: usize,
}

/// An object that a structure has retired, and what may still hold it.
struct Retired {
    at: usize,
    /// The time of the first collect after it was retired: a section that
    /// begins later cannot hold it, except one of each slot.
    seen: Option<usize>,
    /// That section, where it is known.
    late: Vec<Section>,
}

/// The blocks of one structure.
pub struct Blocks {
    pub name: &'static str,
    all: usize,
    pub in_use: usize,
    retired: Vec<Retired>,
}

impl Blocks {
    pub fn new(name: &'static str, all: usize) -> Self {
        Self {
            name,
            all,
            in_use: 0,
            retired: Vec::new(),
        }
    }

    pub fn retire(&mut self, now: usize) {
        self.retired.push(Retired {
            at: now,
            seen: None,
            late: Vec::new(),
        });
    }

    /// A call that reclaims what it can; what it cannot is held.
    pub fn collected(&mut self, now: usize, open: &[Section]) {
        self.retired.retain_mut(|object| {
            let seen = *object.seen.get_or_insert(now);
            if open
                .iter()
                .any(|section| section.began <= seen.max(object.at))
            {
                return true;
            }
            let mut may_hold = open.iter().filter(|section| {
                let other = |late: &&Section| late.slot == section.slot && *late != *section;
                !object.late.iter().any(|late| other(&late))
            });
            let (first, second) = (may_hold.next(), may_hold.next());
            if let (Some(section), None) = (first, second) {
                if !object.late.contains(section) {
                    object.late.push(*section);
                }
            }
            first.is_some()
        });
    }

    /// A call reported that it is full: what is held explains it.
    pub fn refused(&mut self, now: usize, open: &[Section]) -> Result<(), String> {
        self.collected(now, open);
        let missing = self.all - self.in_use;
        if self.retired.len() >= missing {
            return Ok(());
        }
        Err(format!(
            "the {} is full: of {} blocks {} are in use, {} may be held, with {} sections open",
            self.name,
            self.all,
            self.in_use,
            self.retired.len(),
            open.len()
        ))
    }
}
