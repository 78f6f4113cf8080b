//! What was verified already: signatures over bytes that do not change, by roots and keys that did not.

use super::{judged::Fetched, policy::Policy};
use crate::{
    artifact::Facts,
    signature::{Anchors, Looked},
};
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// What was verified of one published artifact and of what lies beside it, which is always added in
/// the same order. Dates and trust are not in it.
#[derive(Debug, Default)]
pub struct Memo(Mutex<BTreeMap<usize, (Anchors, Looked)>>);

impl Memo {
    /// The signatures that hold by a policy's roots and keys; verified anew where there is more
    /// beside the artifact than before, or other roots and keys.
    pub(super) fn look(&self, beside: &Fetched, facts: &Facts, policy: &Policy) -> Looked {
        let count = beside.evidence.len();
        let same = |anchors: &Anchors| count == 0 || anchors == policy.anchors();
        if let Some((anchors, looked)) = self.0.lock().get(&count)
            && same(anchors)
        {
            return looked.clone();
        }
        let looked = beside.look(facts, policy);
        let anchors = if count == 0 {
            Anchors::new()
        } else {
            policy.anchors().clone()
        };
        self.0.lock().insert(count, (anchors, looked.clone()));
        looked
    }
}
