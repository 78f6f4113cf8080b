//! File handles: each connection takes one, and so does each file and each registry that a request
//! speaks to. So many are kept for requests that no number of connections takes them all.

use rustix::process::{Resource, getrlimit};

/// As many are enough for the turns that requests take, and what they open besides.
const ENOUGH: u64 = 528;
/// So many are kept at least, or half of those there are.
const LEAST: u64 = 128;

/// How many connections there may be, and how many handles are kept for requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// For connections.
    pub connections: u64,
    /// For files and registries, and the service itself.
    pub requests: u64,
}

impl Shares {
    /// Shares out the handles that this process may have.
    pub fn of_this_process() -> Self {
        Self::of(getrlimit(Resource::Nofile).current)
    }

    /// Shares out so many handles; `None` is without a limit.
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
