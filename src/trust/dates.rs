//! Dates, in seconds since 1970: row 7 of the signature rule.

use crate::{
    artifact::{Refusal, Row},
    signature::{Dates, date},
};
use vouch_protocol::ErrorKind;

/// Fails unless a signature is valid at that second.
pub(super) fn check_dates(dates: Dates, now: u64) -> Result<(), Refusal> {
    if let Some(from) = dates.not_before.filter(|from| now < *from) {
        return Err(Refusal::new(
            Row::Dates,
            ErrorKind::NotYetValid,
            format!("carries a token that is not valid before {}", date(from)),
            Some("Wait, set the clock, or sign it with another date: `vouch sign {file}`."),
        ));
    }
    if let Some(until) = dates.expires.filter(|until| now >= *until) {
        return Err(Refusal::new(
            Row::Dates,
            ErrorKind::Expired,
            format!("carries a token that expired on {}", date(until)),
            Some("Sign the artifact again: `vouch sign {file}`."),
        ));
    }
    Ok(())
}
