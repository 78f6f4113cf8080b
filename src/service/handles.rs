//! File handles: each connection takes one, and so does each file that a request opens and each
//! registry that it speaks to. Some are kept for requests, so that connections cannot take them all.

use rustix::process::{Resource, getrlimit};

/// This is enough for all turns of requests, and what they open besides.
const ENOUGH: u64 = 528;
/// At least this many are kept, or half of all if that is less.
const LEAST: u64 = 128;

/// How the handles of this process are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// For connections.
    pub connections: u64,
    /// For files and registries, and the service itself.
    pub requests: u64,
}

impl Shares {
    /// Divides the handles that this process may have.
    pub fn of_this_process() -> Self {
        Self::of(getrlimit(Resource::Nofile).current)
    }

    /// Divides a number of handles; `None` means that there is no limit.
    fn of(handles: Option<u64>) -> Self {
        let handles = handles.unwrap_or(u64::MAX);
        let requests = (handles / 4).clamp(LEAST, ENOUGH).min(handles.div_ceil(2));
        Self {
            connections: handles - requests,
            requests,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_are_kept_for_files_and_registries() {
        let check = |handles, connections, requests| {
            let expected = Shares {
                connections,
                requests,
            };
            assert_eq!(Shares::of(handles), expected, "{handles:?}");
        };
        check(None, u64::MAX - 528, 528);
        check(Some(1_048_576), 1_048_048, 528);
        check(Some(1024), 768, 256);
        check(Some(400), 272, 128);
        check(Some(200), 100, 100);
        check(Some(0), 0, 0);
    }
}
