//! Work that is done once for all who wait for its outcome. It goes on when the first of them is
//! given up, and is aborted when the last is: a helper that hangs would otherwise keep its turn, and
//! a realm that stalls its connection.

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use std::sync::{Arc, Weak};
use tokio::task::{AbortHandle, JoinError};

/// The work, as it is remembered; that alone does not keep it going.
pub(crate) struct SharedWork<T> {
    outcome: Outcome<T>,
    interest: Weak<Interest>,
}

type Outcome<T> = Shared<BoxFuture<'static, T>>;

/// Aborts the work once nobody waits for it. A finished outcome stays.
struct Interest(AbortHandle);

impl Drop for Interest {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One who waits for the outcome.
pub(crate) struct Waiting<T> {
    outcome: Outcome<T>,
    _interest: Arc<Interest>,
}

impl<T: Clone + Send + Sync + 'static> SharedWork<T> {
    /// Begins the work, for one who waits. `lost` is the outcome where it panics.
    pub(crate) fn begin(
        work: impl Future<Output = T> + Send + 'static,
        lost: impl FnOnce(JoinError) -> T + Send + 'static,
    ) -> (Self, Waiting<T>) {
        let task = tokio::spawn(work);
        let interest = Arc::new(Interest(task.abort_handle()));
        let outcome = task.map(|done| done.unwrap_or_else(lost)).boxed().shared();
        let shared = Self {
            outcome: outcome.clone(),
            interest: Arc::downgrade(&interest),
        };
        let waiting = Waiting {
            outcome,
            _interest: interest,
        };
        (shared, waiting)
    }

    /// Waits for it as well; nothing, where it was given up.
    pub(crate) fn join(&self) -> Option<Waiting<T>> {
        Some(Waiting {
            outcome: self.outcome.clone(),
            _interest: self.interest.upgrade()?,
        })
    }

    /// Its outcome, if somebody has seen that.
    pub(crate) fn outcome(&self) -> Option<&T> {
        self.outcome.peek()
    }
}

impl<T: Clone> Waiting<T> {
    pub(crate) async fn outcome(self) -> T {
        self.outcome.await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn it_goes_on_for_those_who_are_left() {
        let (answer, answered) = oneshot::channel();
        let (shared, first) = SharedWork::begin(async { answered.await.unwrap() }, |_| 0);
        let second = shared.join().unwrap();
        drop(first);
        assert_eq!(shared.outcome(), None);
        answer.send(7).unwrap();
        assert_eq!(second.outcome().await, 7);
        assert_eq!(shared.outcome(), Some(&7));
    }

    #[tokio::test]
    async fn it_ends_with_the_last() {
        let (held, ended) = oneshot::channel::<()>();
        let work = async move {
            let _held = held;
            pending::<u8>().await
        };
        let (shared, first) = SharedWork::begin(work, |_| 0);
        let second = shared.join().unwrap();
        drop((first, second));
        // It is dropped, and what it held with it.
        assert!(ended.await.is_err());
        assert!(shared.join().is_none());
        assert_eq!(shared.outcome(), None);
    }

    #[tokio::test]
    async fn one_that_panics_has_an_outcome() {
        let (shared, waiting) = SharedWork::begin(async { panic!("in the work") }, |error| {
            u8::from(error.is_panic())
        });
        assert_eq!(waiting.outcome().await, 1);
        assert_eq!(shared.outcome(), Some(&1));
    }
}
