//! What fuzzing reaches of artifacts and tokens: see `tests/fuzz`.

use super::signatures;
use crate::artifact::{Limits, inspect};
use std::io::{self, Read};

/// Bytes that arrive in pieces.
struct Pieces<'a> {
    left: &'a [u8],
    piece: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.piece);
        self.left.read(buffer.get_mut(..most).unwrap_or_default())
    }
}

/// All that is said of an artifact whose bytes arrive in pieces.
#[expect(clippy::expect_used, reason = "fuzzing ends where it cannot go on")]
pub fn judged(bytes: &[u8], piece: usize) -> String {
    let limits = Limits {
        expanded: 4 << 20,
        ..Limits::default()
    };
    let stream = Pieces { left: bytes, piece };
    let examined = inspect(stream, bytes.len() as u64, &limits).expect("memory can be read");
    let (digest, size) = (examined.digest(), examined.size());
    let ((), found, _) = examined.into_parts();
    let verdict = found
        .map_err(|unfit| unfit.refusal.clone())
        .and_then(|facts| {
            let signed = signatures(&facts, &[])?;
            signed.iter().try_for_each(|signed| signed.covers())
        });
    format!("{digest:?} {size} {verdict:?}")
}
