//! Free blocks that a slot keeps, where there are caches.
//!
//! The name is Bonwick's and Adams's (USENIX 2001), for a stock of free
//! objects that one processor draws on without asking the others.
//!
//! Others do not find these blocks in the pool. But an allocation that finds
//! none there takes them out of the magazines of all slots, so that a sleeping
//! handle keeps none from those that are awake. Only the slot that has
//! *claimed* a magazine uses it, and no call waits for a claim: a magazine that
//! another slot has claimed is skipped. An owner that has a section open need
//! not claim it, if no other slot has: its section is the claim. Such a claim
//! is the reader's side of `raw`'s (1). The owner stores its section, executes
//! the light barrier, checks for a claim; a *thief*, which is another slot that looks
//! for blocks, claims, executes the heavy barrier, checks for a section, and ends its
//! claim if it is open. At least one of them sees the other.

#[cfg(target_pointer_width = "64")]
mod kept;
#[cfg(not(target_pointer_width = "64"))]
mod none;

#[cfg(target_pointer_width = "64")]
pub(crate) use kept::Magazine;
#[cfg(not(target_pointer_width = "64"))]
pub(crate) use none::Magazine;
